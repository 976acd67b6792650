"""FFJORD on PyTorch and torchdiffeq, built as the original code builds it: the same layers, the same trace estimate by a
differentiated gradient, the backward solve of `odeint_adjoint`."""

import math
import sys

import torch
import torchdiffeq
from exchange import LEARNING_RATE, Workload, serve

w = Workload(sys.argv[1])
torch.set_num_threads(w.threads)


def tensor(array):
    return torch.nn.Parameter(torch.from_numpy(array).to(w.device))


class ConcatSquash(torch.nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.weight, self.bias = tensor(weights["_layer.weight"]), tensor(weights["_layer.bias"])
        self.shift = tensor(weights["_hyper_bias.weight"])
        self.gate, self.gate_bias = tensor(weights["_hyper_gate.weight"]), tensor(weights["_hyper_gate.bias"])

    def forward(self, t, x):
        t = t.view(1, 1)
        gate = torch.sigmoid(torch.nn.functional.linear(t, self.gate, self.gate_bias))
        shift = torch.nn.functional.linear(t, self.shift)
        return torch.nn.functional.linear(x, self.weight, self.bias) * gate + shift


class ConcatConvolution(torch.nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.weight, self.bias = tensor(weights["_layer.weight"]), tensor(weights["_layer.bias"])

    def forward(self, t, x):
        time = torch.ones_like(x[:, :1]) * t
        return torch.nn.functional.conv2d(torch.cat([time, x], 1), self.weight, self.bias, padding=1)


ACTIVATIONS = {"tanh": torch.tanh, "softplus": torch.nn.functional.softplus}


class Dynamics(torch.nn.Module):
    """d(z, log-density change)/dt with Hutchinson's estimate of the trace."""

    def __init__(self, layers):
        super().__init__()
        kind = ConcatConvolution if w.convolutional else ConcatSquash
        self.layers = torch.nn.ModuleList(kind(weights) for weights in layers)
        self.activation, self.probe, self.evaluations = ACTIVATIONS[w.activation], None, 0

    def forward(self, t, state):
        self.evaluations += 1
        z = state[0]
        with torch.enable_grad():
            z.requires_grad_(True)
            f = z
            for index, layer in enumerate(self.layers):
                f = layer(t, self.activation(f) if index else f)
            product = torch.autograd.grad(f, z, self.probe, create_graph=True)[0]
            trace = (product * self.probe).flatten(1).sum(1, keepdim=True)
        return f, trace


class Flow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.ModuleList(Dynamics(layers) for layers in w.networks)

    def loss(self, x, probes):
        change = torch.zeros(x.shape[0], 1, device=x.device)
        flows, left = zip(self.blocks, probes), []
        for part in w.path:
            if part == "logit":
                s = w.margin + (1 - 2 * w.margin) * x
                slope = math.log(1 - 2 * w.margin) - torch.log(s) - torch.log1p(-s)
                x, change = torch.logit(s), change + slope.flatten(1).sum(1, keepdim=True)
                continue
            if part == "squeeze":
                x = torch.nn.functional.pixel_unshuffle(x, 2)
                continue
            if part == "split":
                x, leaving = x.chunk(2, 1)
                left.append(leaving.flatten(1))
                continue
            block, probe = next(flows)
            block.probe = probe
            times = torch.tensor([0.0, w.end_time], device=x.device)
            options = {"step_size": w.end_time / w.steps} if w.steps else None
            z, change = torchdiffeq.odeint_adjoint(
                block,
                (x, change),
                times,
                rtol=w.tolerance or 1e-5,
                atol=w.tolerance or 1e-5,
                method="rk4" if w.steps else "dopri5",
                options=options,
            )
            x, change = z[-1], change[-1]
        x = torch.cat([*left, x.flatten(1)], 1)
        normal = -0.5 * (x**2).sum(1, keepdim=True) - 0.5 * x.shape[1] * math.log(2 * math.pi)
        return -(normal + change).mean()


flow = Flow()
optimizer = torch.optim.Adam(flow.parameters(), lr=LEARNING_RATE)
batch = torch.from_numpy(w.batch).to(w.device)
probes = [torch.from_numpy(probe).to(w.device) for probe in w.probes]


def evaluations():
    return sum(block.evaluations for block in flow.blocks)


def iteration():
    optimizer.zero_grad()
    loss = flow.loss(batch, probes)
    loss.backward()
    optimizer.step()
    if w.device != "cpu":
        torch.cuda.synchronize()


optimizer.zero_grad()
loss = flow.loss(batch, probes)
forward = evaluations()
loss.backward()
backward = evaluations() - forward
norm = math.sqrt(sum(float((p.grad.double() ** 2).sum()) for p in flow.parameters()))
iteration()
serve(
    {
        "loss": float(loss),
        "gradient_norm": norm,
        "forward_evaluations": forward,
        "backward_evaluations": backward,
        "versions": f"torch {torch.__version__}, torchdiffeq {torchdiffeq.__version__}",
    },
    iteration,
)
