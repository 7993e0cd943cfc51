"""Muon: orthogonal to a known tolerance, steps by hand, and skipped steps."""

import copy
import math

import pytest
import torch

from utils.train.muon import ADAMW_RMS, COEFFICIENTS, NEWTON_SCHULZ_STEPS, Muon, orthogonalise

# Range of the polynomial for singular values of .002 to 1 times the Frobenius norm.
LEAST, MOST = 0.68, 1.21


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def matrices(rows, columns, seed=0):
    """Return two matrices [2, rows, columns] with singular values spread evenly over a factor of 100."""
    u, _, v = torch.linalg.svd(random(2, rows, columns, seed=seed).double(), full_matrices=False)
    values = torch.logspace(0, -2, min(rows, columns), dtype=torch.float64)
    return (u * values @ v).float(), (u @ v).float(), (u, values, v)


def polynomial(x):
    a, b, c = COEFFICIENTS
    for _ in range(NEWTON_SCHULZ_STEPS):
        x = a * x + b * x**3 + c * x**5
    return x


def test_where_singular_values_end():
    ends = polynomial(torch.linspace(0.002, 1, 1_000_000, dtype=torch.float64))
    assert LEAST < ends.min() < LEAST + 0.01 and MOST - 0.01 < ends.max() < MOST


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(24, 60), (60, 24), (32, 32)])
def test_the_result_is_u_v(shape, dtype):
    given, orthogonal, _ = matrices(*shape)
    found = orthogonalise(1000 * given, dtype)
    assert found.dtype == torch.float32 and found.shape == given.shape
    values = torch.linalg.svdvals(found)
    assert values.min() > LEAST - 0.02 and values.max() < MOST + 0.02
    assert torch.linalg.matrix_norm(found - orthogonal, 2).max() < 1 - LEAST + 0.02


@pytest.mark.parametrize("shape", [(24, 60), (60, 24)])
def test_the_result_has_the_polynomials_singular_values(shape):
    given, _, (u, values, v) = matrices(*shape)
    expected = u * polynomial(values / values.norm()) @ v
    torch.testing.assert_close(orthogonalise(given, torch.float32).double(), expected, atol=2e-4, rtol=0)


def test_nothing_comes_of_nothing_and_tiny_gradients_count_as_others_do():
    assert torch.equal(orthogonalise(torch.zeros(2, 3, 5)), torch.zeros(2, 3, 5))
    given, _, _ = matrices(8, 12)
    torch.testing.assert_close(
        orthogonalise(1e-12 * given, torch.float32),
        orthogonalise(given, torch.float32),
        atol=1e-4,
        rtol=0,
    )


def one(parameter, count=1, **settings):
    parameter = torch.nn.Parameter(parameter.clone())
    group = {"params": [parameter], "matrices": count}
    return parameter, Muon([group], **{"lr": 0.1, "momentum": 0.9, **settings})


def test_the_first_step_by_hand():
    """Momentum and look-ahead of the first step both point along the gradient."""
    start, gradient = random(6, 4, 3, 3), random(6, 4, 3, 3, seed=1)
    kernel, optimizer = one(start, weight_decay=0.5)
    kernel.grad = gradient.clone()
    optimizer.step()
    direction = orthogonalise(gradient.view(1, 6, 36))[0].view(6, 4, 3, 3)
    expected = start * (1 - 0.1 * 0.5) - 0.1 * 0.2 * math.sqrt(36) * direction
    torch.testing.assert_close(kernel.data, expected, atol=5e-3, rtol=0)  # bfloat16 where the CPU has it
    torch.testing.assert_close(optimizer.state[kernel]["momentum_buffer"], 0.1 * gradient)


def test_steps_are_as_large_as_those_of_adamw():
    for shape in ((64, 64), (16, 400), (400, 16)):
        kernel, optimizer = one(torch.zeros(shape))
        kernel.grad = random(*shape)
        optimizer.step()
        size = kernel.data.square().mean().sqrt().item()
        assert size == pytest.approx(0.1 * ADAMW_RMS, rel=0.25)


def test_it_is_torchs_muon():
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch has it from 2.9 on")
    ours, optimizer = one(random(20, 30), weight_decay=0.3)
    theirs = torch.nn.Parameter(ours.data.clone())
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.3}
    reference = torch.optim.Muon([theirs], adjust_lr_fn="match_rms_adamw", **settings)
    for seed in range(5):
        ours.grad = random(20, 30, seed=seed + 1)
        theirs.grad = ours.grad.clone()
        optimizer.step()
        reference.step()
    torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0)  # bfloat16 in five steps of about .1 each
    assert (ours - random(20, 30)).abs().max() > 0.3


def test_channels_last_is_the_same_step():
    start, gradient = random(6, 4, 3, 3), random(6, 4, 3, 3, seed=1)
    moved = []
    for layout in (torch.contiguous_format, torch.channels_last):
        kernel, optimizer = one(start.to(memory_format=layout))
        kernel.grad = gradient.to(memory_format=layout)
        optimizer.step()
        moved.append(kernel.data)
    assert torch.equal(*moved) and moved[1].is_contiguous(memory_format=torch.channels_last)


def test_groups_of_a_convolution_are_matrices_of_their_own():
    start, gradient = random(8, 3, 3, 3), random(8, 3, 3, 3, seed=1)
    whole, optimizer = one(start, count=2)
    whole.grad = gradient.clone()
    optimizer.step()
    for half in (slice(0, 4), slice(4, 8)):
        own, optimizer = one(start[half])
        own.grad = gradient[half].clone()
        optimizer.step()
        torch.testing.assert_close(whole.data[half], own.data, atol=1e-3, rtol=0)


def test_kernels_of_one_shape_do_not_disturb_each_other():
    starts = [random(5, 7, seed=seed) for seed in range(3)]
    together = [torch.nn.Parameter(start.clone()) for start in starts]
    optimizer = Muon([{"params": together, "matrices": 1}], lr=0.1, momentum=0.9)
    for seed, kernel in enumerate(together):
        kernel.grad = 10**seed * random(5, 7, seed=9 - seed)
    optimizer.step()
    for seed, start in enumerate(starts):
        alone, optimizer = one(start)
        alone.grad = 10**seed * random(5, 7, seed=9 - seed)
        optimizer.step()
        torch.testing.assert_close(together[seed].data, alone.data, atol=1e-3, rtol=0)


def several(seed=0, **settings):
    """Two kernels of one shape, one of another, a frozen one, and a bias for AdamW."""
    shapes = [(5, 4, 3, 3), (5, 4, 3, 3), (6, 2), (4, 4), (5,)]
    values = [torch.nn.Parameter(random(*shape, seed=seed + number)) for number, shape in enumerate(shapes)]
    groups = [
        {"params": values[:4], "matrices": 1, "weight_decay": 0.5},
        {"params": values[4:], "matrices": 0, "weight_decay": 0.0},
    ]
    return values, Muon(groups, **{"lr": 0.1, "momentum": 0.9, **settings})


def give_gradients(values, seed):
    for number, value in enumerate(values):
        if number != 3:
            value.grad = random(*value.shape, seed=100 * seed + number)


def state_of(optimizer):
    return [{name: value.clone() for name, value in state.items()} for state in optimizer.state.values()]


def same(first, second):
    return all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.0])
@pytest.mark.parametrize("good_steps", [0, 2])
def test_a_step_that_is_left_out_leaves_no_trace(value, good_steps):
    values, optimizer = several()
    for seed in range(good_steps):
        give_gradients(values, seed)
        optimizer.step()
    before, state = [p.detach().clone() for p in values], state_of(optimizer)
    for parameter in values:
        parameter.grad = torch.full_like(parameter, value)
    optimizer.found_inf = torch.ones(())
    optimizer.step()
    assert all(map(torch.equal, values, before)) and same(state_of(optimizer), state)
    optimizer.found_inf = torch.zeros(())
    give_gradients(values, 7)
    optimizer.step()
    assert not any(map(torch.equal, [*values[:3], values[4]], [*before[:3], before[4]]))


def test_leaving_out_is_as_if_the_step_had_not_been():
    (values, optimizer), (others, reference) = several(), several()
    for seed, bad in enumerate([0, 1, 0, 1, 1, 0]):
        give_gradients(values, seed)
        optimizer.found_inf = torch.tensor(float(bad))
        optimizer.step()
        if not bad:
            give_gradients(others, seed)
            reference.step()
    assert all(map(torch.equal, values, others)) and same(state_of(optimizer), state_of(reference))


def test_no_value_is_read_from_the_device():
    """On the device "meta" there are no values to read."""
    kernel = torch.nn.Parameter(torch.empty(4, 3, 3, 3, device="meta"))
    kernel.grad = torch.empty_like(kernel)
    optimizer = Muon([{"params": [kernel], "matrices": 1}], lr=0.1, momentum=0.9)
    optimizer.found_inf, optimizer.grad_scale = (torch.empty((), device="meta") for _ in range(2))
    optimizer.step()


def test_gradients_are_divided_by_their_scale():
    (values, optimizer), (others, reference) = several(), several()
    for seed in range(2):
        give_gradients(values, seed)
        give_gradients(others, seed)
        for value in values:
            if value.grad is not None:
                value.grad *= 1024
        optimizer.grad_scale = torch.tensor(1024.0)
        optimizer.step()
        reference.step()
    assert all(map(torch.equal, values, others))


def test_a_scaler_leaves_overflowing_steps_to_it():
    values, optimizer = several()
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(torch.ones(()))
    before = [p.detach().clone() for p in values]
    for gradient, moves in ((math.inf, False), (8.0, True)):
        for value in values:
            value.grad = torch.full_like(value, gradient)
        scaler.step(optimizer)
        scaler.update()
        assert any(map(torch.equal, values, before)) is not moves
    assert scaler.get_scale() == 4.0


def test_adamw_is_torchs():
    settings = {"lr": 0.01, "weight_decay": 0.1}
    ours, theirs = (torch.nn.Parameter(random(40)) for _ in range(2))
    optimizer = Muon([{"params": [ours]}], momentum=0.8, **settings)
    reference = torch.optim.AdamW([theirs], betas=(0.8, 0.999), fused=True, **settings)
    for seed in range(4):
        ours.grad = random(40, seed=seed)
        theirs.grad = ours.grad.clone()
        optimizer.step()
        reference.step()
    assert torch.equal(ours, theirs)


def test_what_has_no_gradient_neither_moves_nor_decays():
    values, optimizer = several()
    frozen = values[3].detach().clone()
    for seed in range(2):
        give_gradients(values, seed)
        optimizer.step()
    assert torch.equal(values[3], frozen) and not optimizer.state[values[3]]["momentum_buffer"].any()


def test_going_on_from_a_saved_state_is_going_on(tmp_path):
    values, optimizer = several()
    for seed in range(3):
        give_gradients(values, seed)
        optimizer.step()
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    others, resumed = several(seed=50)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    with torch.no_grad():
        for other, value in zip(others, values, strict=True):
            other.copy_(value)
    for seed in range(3, 6):
        for parameters, one_of in ((values, optimizer), (others, resumed)):
            give_gradients(parameters, seed)
            one_of.step()
    assert all(map(torch.equal, values, others)) and same(state_of(optimizer), state_of(resumed))
    assert resumed.state[others[4]]["step"].dtype == torch.float32


def test_the_rate_of_a_group_can_change_between_steps():
    values, optimizer = several()
    give_gradients(values, 0)
    before = copy.deepcopy([*values])
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    optimizer.step()
    assert all(map(torch.equal, values, before))


@pytest.mark.parametrize("size", [1e-12, 1e-23, 1e-37])
def test_the_size_of_a_matrix_does_not_matter(size):
    """The squares of 1e-23 are 0 in float32: the norm must not be that of zeros."""
    torch.manual_seed(0)
    matrices = torch.randn(2, 8, 8)
    expected = orthogonalise(matrices, torch.float32)
    assert torch.allclose(orthogonalise(matrices * size, torch.float32), expected, atol=1e-3)


def test_a_kernel_without_gradients_stays_while_its_momentum_decays():
    kernel, optimizer = one(torch.randn(4, 3, 3, 3, generator=torch.manual_seed(0)))
    optimizer.param_groups[0]["lr"] = 0.01
    kernel.grad = torch.ones_like(kernel)
    optimizer.step()
    after_one = kernel.detach().clone()
    kernel.grad = torch.zeros_like(kernel)
    for _ in range(1200):  # .9^1200 is 1e-55, which is 0 in float32
        optimizer.step()
    assert torch.equal(kernel, after_one)
