"""What every peer shares: the workload that `cargo xtask compare` wrote, and how it asks for timings.

The folder holds `workload.json` and `arrays.npz`: the batch, one probe a block, and every weight under the name that it
has in checkpoints of the original code. A peer prints one line of JSON when it is compiled and warm, and then, for every
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
        self.batch, self.probes = arrays["batch"], arrays["probes"]
        # blocks[b][l] = the parameters of layer l of block b by their short names
        self.networks = [[] for _ in range(self.blocks)]
        name = re.compile(r"chain\.(\d+)\.odefunc\.diffeq\.layers\.(\d+)\.(.+)")
        for key in sorted(arrays.files):
            if found := name.fullmatch(key):
                block, layer, parameter = int(found[1]), int(found[2]), found[3]
                layers = self.networks[block]
                while len(layers) <= layer:
                    layers.append({})
                layers[layer][parameter] = arrays[key]


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
