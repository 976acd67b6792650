"""A variational autoencoder on PyTorch and torchdiffeq, built as the original code builds it: two convolutions for every
gated layer, and continuous flows along whose states every image's own numbers travel with a derivative of zero."""

import json
import math
import os
import sys
from types import SimpleNamespace

import numpy as np
import torch
import torchdiffeq
from exchange import LEARNING_RATE, serve
from torch.nn.functional import binary_cross_entropy, conv2d, conv_transpose2d, linear, softplus

folder = sys.argv[1]
with open(os.path.join(folder, "workload.json")) as file:
    w = SimpleNamespace(**json.load(file))
torch.set_num_threads(w.threads)
arrays = np.load(os.path.join(folder, "arrays.npz"))
x = torch.from_numpy(arrays["batch"]).to(w.device)
noise = torch.from_numpy(arrays["noise"]).to(w.device).view(len(x), -1)
probes = torch.from_numpy(arrays["probes"]).to(w.device).view(w.flows, *noise.shape) if w.flows else []
given = {"batch", "noise", "probes"}
names = [name for name in arrays.files if name not in given]
weights = {name: torch.nn.Parameter(torch.from_numpy(arrays[name]).to(w.device)) for name in names}
parameters = list(weights.values())
TRANSPOSED = {1: 0, 2: 1}


def affine(name, h):
    return linear(h, weights[name + ".weight"], weights[name + ".bias"])


def gated(name, h, stride, padding, transposed=False):
    def part(which):
        weight, bias = weights[f"{name}.{which}.weight"], weights[f"{name}.{which}.bias"]
        if transposed:
            return conv_transpose2d(h, weight, bias, stride, padding, TRANSPOSED[stride])
        return conv2d(h, weight, bias, stride, padding)

    return part("h") * torch.sigmoid(part("g"))


def encode(image):
    h = image
    for index, (stride, padding) in enumerate([(1, 2), (2, 2), (1, 2), (2, 2), (1, 2), (1, 0)]):
        h = gated(f"q_z_nn.{index}", h, stride, padding)
    h = h.flatten(1)
    return h, affine("q_z_mean", h), softplus(affine("q_z_var.0", h))


def decode(z):
    h = z.view(*z.shape, 1, 1)
    for index, (stride, padding) in enumerate([(1, 0), (1, 2), (2, 2), (1, 2), (2, 2), (1, 2)]):
        h = gated(f"p_x_nn.{index}", h, stride, padding, transposed=True)
    return torch.sigmoid(conv2d(h, weights["p_x_mean.0.weight"], weights["p_x_mean.0.bias"]))


class Dynamics(torch.nn.Module):
    """d(z, log-density change, every image's own numbers)/dt."""

    def __init__(self, flow, probe):
        super().__init__()
        prefix = f"odefuncs.{flow}.diffeq.layers."
        self.names = [name for name in weights if name.startswith(prefix)]
        # Registered so that the backward solve finds them.
        self.shared = torch.nn.ParameterList(weights[name] for name in self.names)
        count = len(self.names) // 2
        layers = [f"{prefix}{index}._layer" for index in range(count)]
        self.layers = [(weights[f"{layer}.weight"], weights[f"{layer}.bias"]) for layer in layers]
        self.probe, self.evaluations = probe, 0

    def own(self, numbers):
        """u [B, in, r], v [B, r, out] and b [B, out] of every layer, out of one row of numbers an image."""
        rows, at, own = len(numbers), 0, []
        for weight, _ in self.layers:
            outputs, inputs = weight.shape[0], weight.shape[1] - 1
            for shape in [(inputs, w.rank), (w.rank, outputs), (outputs,)]:
                size = math.prod(shape)
                own.append(numbers[:, at : at + size].reshape(rows, *shape))
                at += size
        return own

    def forward(self, t, state):
        self.evaluations += 1
        z, own = state[0], state[2:]
        with torch.enable_grad():
            z.requires_grad_(True)
            h = z
            for index, (weight, bias) in enumerate(self.layers):
                u, v, b = own[3 * index : 3 * index + 3]
                low_rank = torch.bmm(torch.bmm(h.unsqueeze(1), u), v).squeeze(1)
                h = linear(torch.cat([torch.ones_like(h[:, :1]) * t, h], 1), weight, bias) + low_rank + b
                if index + 1 < len(self.layers):
                    h = softplus(h)
            product = torch.autograd.grad(h, z, self.probe, create_graph=True)[0]
            trace = (product * self.probe).sum(1, keepdim=True)
        return (h, trace, *(torch.zeros_like(numbers) for numbers in own))


flows = [Dynamics(index, probe) for index, probe in enumerate(probes)]


def loss():
    h, mean, variance = encode(x)
    z = mean + variance.sqrt() * noise
    log_q = -0.5 * (variance.log() + (z - mean) ** 2 / variance).sum(1)
    change = torch.zeros(len(x), 1, device=x.device)
    for index, flow in enumerate(flows):
        state = (z, torch.zeros_like(change), *flow.own(affine(f"q_am.{index}", h)))
        times = torch.tensor([0.0, w.end_time], device=x.device)
        options = {"step_size": w.end_time / w.steps}
        end = torchdiffeq.odeint_adjoint(flow, state, times, rtol=1e-5, atol=1e-5, method="rk4", options=options)
        z, change = end[0][-1], change + end[1][-1]
    log_p = -0.5 * (z**2).sum(1)
    reconstruction = binary_cross_entropy(decode(z), x, reduction="sum") / len(x)
    return reconstruction + (log_q - log_p - change.squeeze(1)).mean()


optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)


def evaluations():
    return sum(flow.evaluations for flow in flows)


def iteration():
    optimizer.zero_grad()
    value = loss()
    value.backward()
    optimizer.step()
    if w.device != "cpu":
        torch.cuda.synchronize()


optimizer.zero_grad()
first = loss()
forward = evaluations()
first.backward()
backward = evaluations() - forward
norm = math.sqrt(sum(float((p.grad.double() ** 2).sum()) for p in parameters if p.grad is not None))
iteration()
serve(
    {
        "loss": float(first),
        "gradient_norm": norm,
        "forward_evaluations": forward,
        "backward_evaluations": backward,
        "versions": f"torch {torch.__version__}, torchdiffeq {torchdiffeq.__version__}",
    },
    iteration,
)
