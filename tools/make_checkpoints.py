#!/usr/bin/env python3
"""Retrain what lies in data/checkpoints, from fixed seeds: `make checkpoints`, or one by name.

    python tools/make_checkpoints.py [NAME ...] [--seconds N] [--steps N]
    python tools/make_checkpoints.py [NAME ...] --rescore

A run that is killed goes on where it stopped when started again (its state is kept in _build/training). With --rescore
nothing is trained: the weights that are there are scored anew, for a simulation that was mended since.
"""

import argparse
import pathlib

import torch

from workshop_utils.apply import fit_interval, summarise_objects, summarise_probability
from workshop_utils.networks import (
    CNN,
    OUTPUT_BINS,
    OUTPUT_BOX,
    OUTPUT_CLASS,
    OUTPUT_Z,
    REDSHIFT_BINS,
    MatchedFilterNetwork,
    ShiftNetwork,
    StrainCNN,
    classifier,
    detection_loss,
    in_parts,
    log_redshift_mse,
    matched_filter_snr,
    object_cnn,
    object_loss,
    redshift_cnn,
    redshift_loss,
)
from workshop_utils.scores import (
    area_under_curve,
    class_scores,
    fit_temperature,
    object_scores,
    redshift_scores,
    temper,
)
from workshop_utils.simulate import simulate_quasars, simulate_strain
from workshop_utils.simulate.glitches import ALL, add_glitches
from workshop_utils.spectra import standardise
from workshop_utils.strain import whiten
from workshop_utils.training import (
    OBJECT_SHARES,
    best_device,
    class_batches,
    load_checkpoint,
    object_batches,
    predict,
    quasar_batches,
    save_checkpoint,
    simulate_classes,
    simulate_objects,
    strain_batches,
    train,
)

ROOT = pathlib.Path(__file__).resolve().parent.parent
VALIDATION_SEED, TEST_SEED = 1000011, 1000012  # test sets of the notebooks have seeds of their own
EVEN = (0.25, 0.25, 0.25)  # quasars, galaxies, stars; as many empty fibres
NOTHING_FIRST = 1.0  # ln of how much more probable "nothing" is taken beforehand, see `even_out`
RECIPES = {
    # name: network, steps, batch size, highest learning rate, seed
    "redshift_shift": (ShiftNetwork, 2000, 128, 3e-3, 1),
    "redshift_cnn": (redshift_cnn, 8000, 128, 4e-3, 2),
    "redshift_cnn_mse": (CNN, 14000, 128, 4e-3, 2),
    "any_object": (object_cnn, 8000, 128, 4e-3, 5),
    "quasar_or_galaxy": (classifier, 600, 128, 3e-3, 3),
    "gravitational_waves": (MatchedFilterNetwork, 2500, 128, 4e-2, 4),
    "gravitational_waves_cnn": (StrainCNN, 3000, 64, 4e-3, 6),
}


def answer(network, flux):
    """What a network says of flux (n, 4618), a part at a time to spare memory."""
    return in_parts(lambda part: predict(network, standardise(part)[:, None]), flux, 500)


def find_redshifts(network, flux):
    """Redshifts (n,) that a network finds in flux (n, 4618), from one number or from a probability of each."""
    output = answer(network, flux)
    if output.shape[1] == 1:
        return torch.expm1(output[:, 0])
    bins = network.z.cpu() if isinstance(network, ShiftNetwork) else REDSHIFT_BINS
    return summarise_probability(output.softmax(1), bins)[:, 0]


def redshift_task(network):
    """What a redshift network learns from, its loss, and functions that score it, on the way and at the end."""
    validation = simulate_quasars(1000, VALIDATION_SEED)
    number = isinstance(network, CNN) and network.layers[-1].out_features == 1

    def score(quasars):
        return redshift_scores(find_redshifts(network, quasars.flux), quasars.z)

    def wrong(_):
        return 1 - score(validation)["accuracy_6000"]

    def card():
        test = {"test_set": f"simulate_quasars(5000, {TEST_SEED})"}
        if isinstance(network, CNN) and not number:
            quasars = simulate_quasars(4000, VALIDATION_SEED)
            output = answer(network, quasars.flux)
            nearest = (torch.log1p(quasars.z)[:, None] - torch.log1p(REDSHIFT_BINS)).abs().argmin(1)
            test["temperature"] = sharpen(network, output, nearest)
            probability = (output / test["temperature"]).softmax(1)
            test["interval_share"] = fit_interval(probability, REDSHIFT_BINS, quasars.z)
        return test | {"test": score(simulate_quasars(5000, TEST_SEED))}

    loss = log_redshift_mse if number else getattr(network, "loss", redshift_loss)
    return quasar_batches, loss, wrong, card, "simulated quasars, simulate_quasars(flat=0.15)"


def sharpen(network, output, nearest):
    """Divide a CNN's scores by the temperature that suits them best, for good; return the temperature.

    The blurred truth makes P(z) wider than it need be. Scores are linear in the last layer's weights. `output` (n, bin)
    is what the network says of a validation set, `nearest` (n,) the bins where the truth lies.
    """
    temperature = fit_temperature(output, nearest)
    with torch.no_grad():
        for weights in network.layers[-1].parameters():
            weights /= temperature
    return temperature


def even_out(network):
    """Take the classes for equally frequent, as in training they were not, but "nothing" for more: offsets of scores.

    An empty fibre that is called a quasar enters a catalogue as a discovery. What this caution costs is seen on
    simulated spectra: less than half a per cent of the quasars with S/N above 1; the calibration error is below 0.02.
    """
    share = torch.tensor([*OBJECT_SHARES, 1 - sum(OBJECT_SHARES)])
    offset = torch.tensor([0.0, 0.0, 0.0, NOTHING_FIRST]) - share.log()
    with torch.no_grad():
        network.layers[-1].bias += offset[OUTPUT_CLASS].to(network.layers[-1].bias.device)


def object_task(network):
    """The same for the network that knows quasars, galaxies, stars and nothing."""
    validation = simulate_objects(1500, VALIDATION_SEED)

    def score(flux, target, _, shares=(0.68, 0.68)):
        found = summarise_objects(answer(network, flux).softmax(1), shares).numpy()
        kind = OUTPUT_CLASS[torch.searchsorted(OUTPUT_BOX, target[:, 0].contiguous())]
        return object_scores(found[:, :4], found[:, 4], found[:, 5:7], kind, target[:, 1])

    def wrong(_):
        return 1 - score(*validation)["accuracy"]

    def card():
        flux, target, _ = simulate_objects(6000, VALIDATION_SEED, shares=EVEN)
        near = torch.log1p(OUTPUT_Z) - torch.log1p(target[:, 1:])
        near = near.abs().masked_fill(OUTPUT_BOX != target[:, :1], torch.inf).argmin(1)
        temperature = sharpen(network, answer(network, flux), near)
        shares = []
        for k, bins in enumerate(OUTPUT_BINS):  # quasars, galaxies
            rows = target[:, 0] == k
            given = answer(network, flux[rows])[:, OUTPUT_CLASS == k].softmax(1)
            shares.append(fit_interval(given, bins, target[rows, 1]))
        test = score(*simulate_objects(10000, TEST_SEED, shares=EVEN), shares)
        return {
            "temperature": temperature,
            "interval_shares": shares,
            "test_set": f"simulate_objects(10000, {TEST_SEED}, shares={EVEN})",
            "test": test,
        }

    return object_batches, object_loss, wrong, card, "simulate_objects: quasars, galaxies, stars, empty fibres"


def class_task(network):
    """The same for the classifier; its temperature is fitted on the validation set."""
    flux, label = simulate_classes(2000, VALIDATION_SEED)

    def answer(flux):
        return predict(network, standardise(flux)[:, None])

    def wrong(_):
        return float((answer(flux[:500]).argmax(1) != label[:500]).float().mean())

    def card():
        temperature = fit_temperature(answer(flux), label)
        test, truth = simulate_classes(5000, TEST_SEED)
        scores = class_scores(temper(answer(test), temperature)[:, 0], truth == 0)
        return {"temperature": temperature, "test_set": f"simulate_classes(5000, {TEST_SEED})", "test": scores}

    return class_batches, torch.nn.functional.nll_loss, wrong, card, "simulate_classes, quasars and galaxies"


def waves_task(network):
    """The same for the detector of gravitational waves."""
    validation = simulate_strain(1000, VALIDATION_SEED)

    def score(samples):
        white = whiten(samples.strain)
        p = predict(network, white, 64)[:, 0].sigmoid()
        return {
            **class_scores(p, samples.signal > 0),
            "matched_filter_auc": area_under_curve(matched_filter_snr(white), samples.signal > 0),
        }

    def cross_entropy(_):
        return float(detection_loss(predict(network, whiten(validation.strain), 64), validation.signal))

    def card():
        return {"test_set": f"simulate_strain(5000, {TEST_SEED})", "test": score(simulate_strain(5000, TEST_SEED))}

    trained_on = "simulate_strain(off=0.2), whitened"
    if isinstance(network, MatchedFilterNetwork):
        trained_on += "; then how probable glitches are, with signals=0.4, glitches=1.0"
    return strain_batches, detection_loss, cross_entropy, card, trained_on


@torch.no_grad()
def hypotheses(network, strain):
    """`network.hypotheses` of raw strain (n, 3, 4096), a few samples at a time, for what lies between is large."""
    parts = [network.hypotheses(whiten(part)) for part in strain.split(64)]
    return [torch.cat(column) for column in zip(*parts, strict=True)]


def learn_glitches(network, n=4000, kinds=ALL):
    """Teach a detector that knows waves and noise how probable a glitch is: four numbers, all others as they are.

    (Trained on glitches from the start, the others get worse at telling waves from noise.) A glitch is in every sample,
    a wave in two of five: in a real detector the former are far more frequent.
    """
    samples = simulate_strain(n, VALIDATION_SEED + 100, signals=0.4, off=0.2)
    add_glitches(samples.strain, torch.Generator().manual_seed(VALIDATION_SEED + 101), 1.0, kinds)
    wave, glitch = hypotheses(network, samples.strain)
    network.glitch_prior.data.fill_(-2)  # what is thought impossible, nobody learns
    adam = torch.optim.Adam([network.glitch_prior, network.beneath], lr=0.05)
    for _ in range(300):
        adam.zero_grad()
        detection_loss(network.against_both(wave, glitch), samples.signal).backward()
        adam.step()


TASKS = {
    ShiftNetwork: redshift_task,
    CNN: redshift_task,
    object_cnn: object_task,
    redshift_cnn: redshift_task,
    classifier: class_task,
    MatchedFilterNetwork: waves_task,
    StrainCNN: waves_task,
}


def make(name, steps, seconds):
    """Train one network and write its checkpoint and card."""
    build, default_steps, batch, learning_rate, seed = RECIPES[name]
    steps = steps or default_steps
    torch.manual_seed(seed)
    device = best_device()
    network = build().to(device)
    batches, loss, wrong, scored, trained_on = TASKS[build](network)
    state = ROOT / "_build" / "training" / f"{name}.safetensors"
    history = train(
        network,
        batches(batch, seed, device),
        loss,
        steps,
        learning_rate=learning_rate,
        seconds=seconds,
        validate=wrong,
        every=200,
        checkpoint=state,
    )
    if build is object_cnn:
        even_out(network)
    if build is MatchedFilterNetwork:
        learn_glitches(network)
    history.to_csv(state.with_suffix(".csv"), index=False)
    threads = torch.get_num_threads()
    done, spent = int(history.step.iloc[-1]), float(history.seconds.iloc[-1])
    examples = "samples" if TASKS[build] is waves_task else "spectra"
    card = {
        "network": build.__name__,
        "trained_on": f"{trained_on}, every batch fresh",
        "seed": seed,
        "steps": done,
        "batch": batch,
        examples: done * batch,
        "learning_rate": learning_rate,
        "seconds": spent,
        "device": f"{device.type}, {threads} thread{'s' * (threads != 1)}",
        **scored(),
    }
    save_checkpoint(network, ROOT / "data" / "checkpoints" / f"{name}.safetensors", card)
    print(name, card["test"])


def rescore(name):
    """Score the weights of a checkpoint on today's simulation, and write the scores into its card."""
    path = ROOT / "data" / "checkpoints" / f"{name}.safetensors"
    network = RECIPES[name][0]()
    card = load_checkpoint(network, path)
    *_, scored, _ = TASKS[RECIPES[name][0]](network)
    save_checkpoint(network, path, card | scored())
    print(name, card["test"], "was; now", load_checkpoint(network, path)["test"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(RECIPES)} (default: all)")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seconds", type=float, help="time budget for each")
    parser.add_argument("--rescore", action="store_true", help="score the weights that are there, train nothing")
    arguments = parser.parse_args()
    for name in arguments.names or RECIPES:
        if name not in RECIPES:
            parser.error(f"there is no checkpoint {name!r}; choose from {', '.join(RECIPES)}")
        if arguments.rescore:
            rescore(name)
        else:
            make(name, arguments.steps, arguments.seconds)
