"""FFJORD on JAX, compiled as one function an iteration. The second argument says how the solve is differentiated:

`xla`: fixed steps of the 3/8 rule and its backward solve, written out here and compiled by XLA without any solver library;
`backsolve`, `checkpointed`: diffrax's adjoints around its Dopri5.
"""

import math
import os
import sys

from exchange import LEARNING_RATE, Workload, serve

w, adjoint = Workload(sys.argv[1]), sys.argv[2]
os.environ["JAX_PLATFORMS"] = "cpu" if w.device == "cpu" else "cuda"
if w.device == "cpu" and w.threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402

ACTIVATIONS = {"tanh": jnp.tanh, "softplus": jax.nn.softplus}
activation = ACTIVATIONS[w.activation]


def concat_squash(p, t, x):
    gate = jax.nn.sigmoid(p["_hyper_gate.weight"][:, 0] * t + p["_hyper_gate.bias"])
    return (x @ p["_layer.weight"].T + p["_layer.bias"]) * gate + p["_hyper_bias.weight"][:, 0] * t


def concat_convolution(p, t, x):
    time = jnp.full_like(x[:, :1], t)
    y = jax.lax.conv_general_dilated(
        jnp.concatenate([time, x], 1), p["_layer.weight"], (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW")
    )
    return y + p["_layer.bias"][None, :, None, None]


layer = concat_convolution if w.convolutional else concat_squash


def field(layers, t, z):
    for p in layers[:-1]:
        z = activation(layer(p, t, z))
    return layer(layers[-1], t, z)


def value_and_trace(layers, probe, t, z):
    probe = probe.astype(z.dtype)
    value, pull_back = jax.vjp(lambda z: field(layers, t, z), z)
    return value, (pull_back(probe)[0] * probe).reshape(z.shape[0], -1).sum(1)


def combine(state, *terms):
    """state + sum of weight * slope."""
    for weight, slope in terms:
        state = jax.tree.map(lambda a, b: a + weight * b, state, slope)
    return state


def three_eighths(rhs, state, start, end):
    h = (end - start) / w.steps

    def step(index, y):
        t = start + index * h
        k1 = rhs(t, y)
        k2 = rhs(t + h / 3, combine(y, (h / 3, k1)))
        k3 = rhs(t + 2 * h / 3, combine(y, (-h / 3, k1), (h, k2)))
        k4 = rhs(t + h, combine(y, (h, k1), (-h, k2), (h, k3)))
        return combine(y, (h / 8, k1), (3 * h / 8, k2), (3 * h / 8, k3), (h / 8, k4))

    return jax.lax.fori_loop(0, w.steps, step, state)


@jax.custom_vjp
def xla_block(layers, probe, z, change):
    return three_eighths(lambda t, y: value_and_trace(layers, probe, t, y[0]), (z, change), 0.0, w.end_time)


def xla_block_forward(layers, probe, z, change):
    end = xla_block(layers, probe, z, change)
    return end, (layers, probe, end)


def xla_block_backward(kept, cotangent):
    layers, probe, (z, change) = kept
    of_z, of_change = cotangent

    def rhs(t, y):
        z, a, _ = y
        (value, _), pull_back = jax.vjp(lambda layers, z: value_and_trace(layers, probe, t, z), layers, z)
        of_layers, of_z = pull_back((-a, -of_change))
        return value, of_z, of_layers

    zeros = jax.tree.map(jnp.zeros_like, layers)
    _, of_z, of_layers = three_eighths(rhs, (z, of_z, zeros), w.end_time, 0.0)
    return of_layers, None, of_z, of_change


xla_block.defvjp(xla_block_forward, xla_block_backward)


def diffrax_block(layers, probe, z, change):
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, kept: value_and_trace(*kept, t, y[0])),
        diffrax.Dopri5(),
        0.0,
        w.end_time,
        None,
        (z, change),
        (layers, probe),
        stepsize_controller=diffrax.PIDController(rtol=w.tolerance, atol=w.tolerance),
        adjoint=diffrax.BacksolveAdjoint() if adjoint == "backsolve" else diffrax.RecursiveCheckpointAdjoint(),
    )
    return solution.ys[0][0], solution.ys[1][0]


versions = f"jax {jax.__version__}"
if adjoint == "xla":
    block = xla_block
    # The rule for custom derivatives wants floats; there are no derivatives of probes.
    probes = jnp.asarray(w.probes)
else:
    import diffrax

    # Its backward solve takes a slow path with first-same-as-last methods unless a product is said to be expensive.
    diffrax._term.AdjointTerm.is_vf_expensive = lambda *_: True
    versions += f", diffrax {diffrax.__version__}"
    block = diffrax_block
    # Whole numbers, so that the backward solve carries no cotangent for them.
    probes = jnp.asarray(w.probes.astype("int8"))


def loss(networks, x):
    change = jnp.zeros(x.shape[0])
    for layers, probe in zip(networks, probes):
        x, change = block(layers, probe, x, change)
    flat = x.reshape(x.shape[0], -1)
    normal = -0.5 * (flat**2).sum(1) - 0.5 * flat.shape[1] * math.log(2 * math.pi)
    return -(normal + change).mean()


optimizer = optax.adam(LEARNING_RATE)


@jax.jit
def step(networks, moments, x):
    value, gradient = jax.value_and_grad(loss)(networks, x)
    updates, moments = optimizer.update(gradient, moments, networks)
    return optax.apply_updates(networks, updates), moments, value, optax.global_norm(gradient)


networks = jax.tree.map(jnp.asarray, w.networks)
moments, batch = optimizer.init(networks), jnp.asarray(w.batch)


def iteration():
    global networks, moments
    networks, moments, value, norm = jax.block_until_ready(step(networks, moments, batch))
    return value, norm


value, norm = iteration()
if w.steps == 0:
    iteration()
evaluations = 4 * w.steps * w.blocks or None
serve(
    {
        "loss": float(value),
        "gradient_norm": float(norm),
        "forward_evaluations": evaluations,
        "backward_evaluations": evaluations,
        "versions": versions,
    },
    iteration,
)
