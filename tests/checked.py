"""How the tests check the types of arguments: at every call; a whole number may stand where a float is asked for."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
