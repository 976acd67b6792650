"""What every peer shares: the workload that `cargo xtask compare` wrote, and how it asks for timings.

The folder holds `workload.json` and `arrays.npz`: the batch, the probes of all flows one after the other, and every weight
under the name that it has in checkpoints of the original code. A peer prints one line of JSON when it is compiled and warm, and then, for every
line "LEAST SECONDS" that it reads, the seconds of each training iteration that it took meanwhile.
"""

import json
import os
import re
import sys
import time

import numpy as np

LEARNING_RATE = 1e-7


class Workload:
    def __init__(self, folder):
        with open(os.path.join(folder, "workload.json")) as file:
            self.__dict__.update(json.load(file))
        arrays = np.load(os.path.join(folder, "arrays.npz"))
        self.batch, self.blocks = arrays["batch"], len(self.shapes)
        # probes[b] = the probe of flow b, of the shape of its states; one array where all have one shape
        shapes = [(len(self.batch), *shape) for shape in self.shapes]
        ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
        self.probes = [part.reshape(shape) for part, shape in zip(np.split(arrays["probes"], ends), shapes)]
        if all(shape == shapes[0] for shape in shapes):
            self.probes = np.stack(self.probes)
        # networks[b][l] = the parameters of layer l of flow b by their short names
        name = re.compile(r"((?:(?:chain|transforms)\.\d+\.)+)odefunc\.diffeq\.layers\.(\d+)\.(.+)")
        flows = {}
        for key in arrays.files:
            if found := name.fullmatch(key):
                place = tuple(int(number) for number in re.findall(r"\d+", found[1]))
                flows.setdefault(place, {}).setdefault(int(found[2]), {})[found[3]] = arrays[key]
        self.networks = [[layers[layer] for layer in sorted(layers)] for _, layers in sorted(flows.items())]


def serve(description, iteration):
    """Announces the peer and answers until its input ends."""
    print(json.dumps(description), flush=True)
    for line in sys.stdin:
        least, budget = line.split()
        seconds, start = [], time.perf_counter()
        while len(seconds) < int(least) or time.perf_counter() - start < float(budget):
            clock = time.perf_counter()
            iteration()
            seconds.append(time.perf_counter() - clock)
        print(json.dumps(seconds), flush=True)
