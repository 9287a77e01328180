"""Each memory: T single steps are the sequence, in values and gradients, whatever the resets."""

import pytest
import torch

from policies.recurrent import GRU, LSTM, SSM, Hierarchy

T, B, D, H = 9, 5, 6, 7
MEMORIES = [GRU, LSTM, SSM, Hierarchy]
RESETS = {"none": 0.0, "some": 0.15, "all": 1.0}


def steps(memory, x, state, first):
    outputs = []
    for t in range(len(x)):
        y, state = memory.step(x[t], state, first[t])
        outputs.append(y)
    return torch.stack(outputs), state


@pytest.mark.parametrize("memory_class", MEMORIES)
@pytest.mark.parametrize("resets", RESETS)
def test_steps_are_the_sequence(memory_class, resets, device):
    memory = memory_class(D, H).to(device)
    x = torch.randn(T, B, D, device=device, requires_grad=True)
    state = torch.randn(B, memory.state_size, device=device, requires_grad=True)
    first = torch.rand(T, B, device=device) < RESETS[resets]
    inputs = [x, state, *memory.parameters()]
    results = []
    for run in (steps, type(memory).sequence):
        y, last = run(memory, x, state, first)
        assert last.shape == (B, memory.state_size)
        loss = (y * torch.linspace(-1, 1, y.numel(), device=device).view_as(y)).sum() + last.square().sum()
        results.append((y, last, torch.autograd.grad(loss, inputs)))
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("memory_class", MEMORIES)
def test_reset_forgets_everything(memory_class, device):
    memory = memory_class(D, H).to(device)
    x = torch.randn(T, B, D, device=device)
    state = torch.randn(B, memory.state_size, device=device)
    first = torch.zeros(T, B, dtype=torch.bool, device=device)
    first[4, 2] = True
    y, last = memory.sequence(x, state, first)
    fresh, fresh_last = memory.sequence(x[4:], torch.zeros_like(state), first[4:])
    torch.testing.assert_close(y[4:, 2], fresh[:, 2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(last[2], fresh_last[2], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(y[4:, 1], fresh[:, 1], atol=1e-3)  # the others remember
    state.requires_grad_()
    y, _ = memory.sequence(x, state, first)
    assert not torch.autograd.grad(y[4:, 2].sum(), state)[0].any()  # and no gradient crosses an episode


@pytest.mark.parametrize("memory_class", MEMORIES)
def test_the_state_given_is_left_alone(memory_class):
    memory = memory_class(D, H)
    state = torch.ones(B, memory.state_size)
    memory.step(torch.randn(B, D), state, torch.ones(B, dtype=torch.bool))
    memory.sequence(torch.randn(T, B, D), state, torch.ones(T, B, dtype=torch.bool))
    assert (state == 1).all()


def test_gru_and_lstm_by_their_formulas():
    gru, lstm = GRU(1, 1), LSTM(1, 1)
    for parameter in (*gru.parameters(), *lstm.parameters()):
        parameter.data.fill_(1.0)
    x, first = torch.ones(1, 1), torch.zeros(1, dtype=torch.bool)
    # r = z = sigmoid(1 + 1 + .5 + 1) = .970688; n = tanh(1 + 1 + r (.5 + 1)) = .997990; h = (1 - z) n + z .5
    torch.testing.assert_close(gru.step(x, torch.full((1, 1), 0.5), first)[0].item(), 0.514597, atol=1e-5, rtol=0)
    # i = f = o = sigmoid(3.5); g = tanh(3.5) = .998178; c = f .2 + i g = 1.163057; h = o tanh(c) = o .822034
    y, state = lstm.step(x, torch.tensor([[0.5, 0.2]]), first)
    torch.testing.assert_close(state[0, 1].item(), 1.163057, atol=1e-5, rtol=0)
    torch.testing.assert_close(y.item(), 0.970688 * 0.822034, atol=1e-5, rtol=0)


def test_an_lstm_begins_with_open_forget_gates():
    lstm = LSTM(1, H)
    h, c = torch.zeros(1, H), torch.full((1, H), 2.0)
    _, state = lstm.step(torch.zeros(1, 1), torch.cat((h, c), -1), torch.zeros(1, dtype=torch.bool))
    # Nothing is seen and nothing said: all gates are at sigmoid(0), but for that of the cell at sigmoid(1) = .731059
    torch.testing.assert_close(state[:, H:], 0.731059 * c, rtol=1e-5, atol=0)


def test_ssm_by_its_formula_and_time_scales():
    ssm = SSM(1, 4, time_scales=(2.0, 512.0))
    decay = torch.sigmoid(ssm.decay)
    torch.testing.assert_close(1 / (1 - decay), torch.tensor([2.0, 12.6992, 80.6349, 512.0]), rtol=1e-3, atol=0)
    x, state = torch.tensor([[3.0]]), torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    y, _ = ssm.step(x, state, torch.tensor([False]))
    torch.testing.assert_close(y, decay * state + (1 - decay) * 3.0 * ssm.input.weight.T)


def test_hierarchy_is_a_chain_in_one_flat_state():
    memory = Hierarchy(D, H)
    assert (memory.state_size, memory.out_features) == (4 * H, 3 * H)
    x, state, first = torch.randn(B, D), torch.randn(B, 4 * H), torch.zeros(B, dtype=torch.bool)
    y, last = memory.step(x, state, first)
    short, mid, long = memory.memories.values()
    a, short_state = short.step(x, state[:, :H], first)
    b, mid_state = mid.step(a, state[:, H : 3 * H], first)
    c, long_state = long.step(b, state[:, 3 * H :], first)
    torch.testing.assert_close(last, torch.cat((short_state, mid_state, long_state), -1))
    parts = [torch.nn.functional.layer_norm(part, (H,)) for part in (a, b, c)]
    torch.testing.assert_close(y, torch.cat(parts, -1))
