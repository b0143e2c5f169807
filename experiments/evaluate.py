"""Measure FID, KID and other metrics of a run, or of any two sets of images.

usage: python -m experiments.evaluate run=DIR [which=last|best] [split=test|validation] [samples=N] [draws=1]
                                      [metrics=NAME] [metrics.weights=FILE] [measures=NAME,NAME] [data_dir=DIR]
                                      [data.root=DIR ...] [out=FILE.json] [allow=PACKAGE.]
       python -m experiments.evaluate generated=SET reference=SET [metrics=inception|classifier|pixels] [samples=N]
                                      [metrics.weights=FILE] [data_dir=DIR] [data.image_size=32 ...]
                                      [statistics=FILE.npz] [out=FILE.json] [which=last|best]
       python -m experiments.evaluate run=DIR protocol=fid50k|sngan|mimicry      (or with generated= and reference=)

  run       a run's folder (running, finished or killed)
  which     last: the newest export (generator/); best: checkpoints/best.ckpt
  split     whose real samples stand beside the generated ones, and are reconstructed, classified, ranked (test)
  samples   how many are generated, or taken of a set; FID falls with their number, so compare like with like
  draws     how many times they are generated, each time others (1); mean and standard deviation are told
  metrics   classifier, inception, pixels, planar or own in the place of what the run was trained with; of two sets
            inception, classifier (of the reference's labels) or pixels (inception)
  metrics.  a setting of the extractor: metrics.weights=FILE for Inception's weights, where they cannot be downloaded
  measures  measures of your own beside the usual ones: my_metrics.sharpness, or my_metrics for all of a file
            (docs/tutorials/metric.md); a run's own are not imported unless they are named here
  data_dir  where the data sets lie, if not where they lay in training
  data.     any setting of the data: data.root=DIR for a folder that has moved; of two sets data.image_size=32,
            data.channels=3, data.holdout=0
  out       a file for the figures and the whole protocol
  allow     names outside lightning_gans and datamodules that the run may use (code that you trust)
            Without it, a run's folder from a stranger is safe to measure: docs/SECURITY.md.

A SET is a folder of images (flat or with class folders), an .npz of images (uint8 (N, H, W, C), or floats), a data set
(cifar10: its training images as a reference, its test images as generated ones; cifar10:train, cifar10:test), a run, or
an .npz of FID statistics (mu and sigma, of pytorch-fid or clean-fid: FID alone). The reference is the real one.

  statistics  a file for the reference's mean and covariance, as pytorch-fid and clean-fid read them
  protocol    fid50k   50,000 samples against all training images
              sngan    FID of 5,000 samples against 10,000 test images, Inception Score of 50,000 in ten splits
              mimicry  FID, KID and Inception Score of 50,000 samples against 50,000 training images
              It fixes samples, reference split and extractor; of a smaller set, samples=N measures N of them.

Images are read a few at a time; memory holds features alone: 4 d bytes an image (400 MB for 50,000 of Inception).
Where nothing else is chosen, the figures of a run are those that its own summary has of its test split.

  python -m experiments.evaluate run=runs/acgan-digits-0 which=best samples=10000
  python -m experiments.evaluate generated=samples/ reference=photos/ metrics=pixels out=scores.json
  python -m experiments.evaluate generated=samples.npz reference=cifar10 data_dir=data protocol=fid50k
"""

import json
import sys
import time
from collections.abc import Sequence

from experiments import cli
from experiments.trained.evaluation import (
    as_dict,
    compare_sets,
    displayed_activities,
    extractor,
    lines,
    measure,
)
from experiments.trained.evaluation_request import Request, SetsRequest, parse
from experiments.trained.loading import config_of, with_data
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically

# Neither the imports above nor `parse` import torch, so that invalid arguments are reported immediately.


def main(argv: Sequence[str]) -> int:
    """Measure a run or two sets of images; return 0. `cli.run` reports errors."""
    if {"--help", "-h", "help"} & set(argv):
        print(__doc__.strip())
        return 0
    request = parse(argv)
    return _run(request) if isinstance(request, Request) else _sets(request)


def _run(request: Request) -> int:
    config = config_of(request.run)
    metrics = extractor(request, config)
    settings = with_data(config, request.data, request.run)
    began = time.monotonic()
    _quiet()
    with displayed_activities():
        found = measure(request, settings, metrics)
    if not found.scores:
        raise UserError(f"run={request.run}: nothing that is measured applies to its model under this extractor.")
    seconds = time.monotonic() - began
    for line in lines(request, found):
        cli.tell(line)
    if request.out is not None:  # written after the figures are shown, so that a full disk does not lose them
        write_atomically(request.out, json.dumps(as_dict(request, found, seconds), indent=2) + "\n")
    if config.get("measures") and not request.measures:
        cli.tell(
            f"The run has measures of its own, {config['measures']}: measures= takes their names and imports them."
        )
    cli.tell(f"measured in {seconds:.0f} s" + (f": {request.out}" if request.out else ""))
    return 0


def _sets(request: SetsRequest) -> int:
    began = time.monotonic()
    _quiet()
    with displayed_activities():
        found = compare_sets(request)
    for line in found.lines():
        cli.tell(line)
    if request.out is not None:
        write_atomically(request.out, json.dumps(found.record(), indent=2) + "\n")
    written = [str(path) for path in (request.out, request.statistics) if path is not None]
    cli.tell(f"measured in {time.monotonic() - began:.0f} s" + (f": {', '.join(written)}" if written else ""))
    return 0


def _quiet() -> None:
    from experiments.jobs.runner import quiet_libraries

    quiet_libraries()


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
