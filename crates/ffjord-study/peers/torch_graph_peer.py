"""FFJORD on PyTorch as fast as launches allow: values and tangents by formulas, steps of the 3/8 rule written out, and the
whole iteration (solve, gradient, Adam) recorded once as a CUDA graph that is replayed. On a processor the same iteration
without the graph, to see that it computes the same."""

import math
import sys

import torch
from exchange import LEARNING_RATE, Workload, serve

w = Workload(sys.argv[1])
torch.set_num_threads(w.threads)
on_card = w.device != "cpu"
# Full single precision, as the others have.
torch.backends.cuda.matmul.allow_tf32 = False


def tensor(array):
    return torch.nn.Parameter(torch.from_numpy(array).to(w.device))


networks = [[{name: tensor(array) for name, array in layer.items()} for layer in layers] for layers in w.networks]
parameters = [parameter for layers in networks for layer in layers for parameter in layer.values()]
batch, probes = torch.from_numpy(w.batch).to(w.device), torch.from_numpy(w.probes).to(w.device)


def value_and_tangent(layers, t, z, u):
    """Concatsquash layers on a value and a tangent, stacked into one product a layer."""
    for index, p in enumerate(layers):
        gate = torch.sigmoid(p["_hyper_gate.weight"][:, 0] * t + p["_hyper_gate.bias"])
        shift = p["_hyper_bias.weight"][:, 0] * t
        both = torch.cat([z, u]) @ p["_layer.weight"].T * gate
        z, u = both.chunk(2)
        z = z + (p["_layer.bias"] * gate + shift)
        if index < len(layers) - 1:
            if w.activation == "tanh":
                z = torch.tanh(z)
                u = (1 - z * z) * u
            else:
                u = torch.sigmoid(z) * u
                z = torch.nn.functional.softplus(z)
    return z, u


def derivative(layers, probe, t, z):
    value, tangent = value_and_tangent(layers, t, z, probe)
    return value, (tangent * probe).sum(1)


def loss():
    x, change, h = batch, torch.zeros(batch.shape[0], device=batch.device), w.end_time / w.steps
    for layers, probe in zip(networks, probes):
        for step in range(w.steps):
            t = step * h
            k1, l1 = derivative(layers, probe, t, x)
            k2, l2 = derivative(layers, probe, t + h / 3, x + h / 3 * k1)
            k3, l3 = derivative(layers, probe, t + 2 * h / 3, x - h / 3 * k1 + h * k2)
            k4, l4 = derivative(layers, probe, t + h, x + h * (k1 - k2 + k3))
            x = x + h / 8 * (k1 + 3 * (k2 + k3) + k4)
            change = change + h / 8 * (l1 + 3 * (l2 + l3) + l4)
    normal = -0.5 * (x**2).sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)
    return -(normal + change).mean()


optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, capturable=on_card)


def train():
    optimizer.zero_grad(set_to_none=False)
    value = loss()
    value.backward()
    optimizer.step()
    return value


first = loss()
first.backward()
norm = math.sqrt(sum(float((parameter.grad.double() ** 2).sum()) for parameter in parameters))
if on_card:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            train()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        train()


def iteration():
    if on_card:
        graph.replay()
        torch.cuda.synchronize()
    else:
        train()


iteration()
evaluations = 4 * w.steps * w.blocks
serve(
    {
        "loss": float(first),
        "gradient_norm": norm,
        "forward_evaluations": evaluations,
        "backward_evaluations": evaluations,
        "versions": f"torch {torch.__version__}",
    },
    iteration,
)
