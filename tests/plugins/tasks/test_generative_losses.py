"""What VAE, GAN and WGAN-GP compute is what their papers say, on parts simple enough to know the answer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from modrack.runner.parts import Parts
from modrack.seam import Batch, Task
from modrack.testing.sample import sample
from modrack_registry.registry import load_registry

REGISTRY = load_registry()
LATENT = 3


def task(name: str, **options: Any) -> Task:
    component = REGISTRY.find("task", name)
    given = {"data": sample("image")[0], "processor": None}
    made: Task = component.make(given, {each: o.default for each, o in component.options.items()} | options)
    return made


def batch(rows: int = 5, training: bool = False) -> Batch:
    image = torch.rand(rows, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Batch({"image": image}, size=rows, training=training, key=(1, 2))


@pytest.fixture
def coder() -> Parts:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 2 * LATENT))
    decoder = nn.Sequential(nn.Linear(LATENT, 16), nn.Unflatten(1, (1, 4, 4)))
    return Parts({"encoder": encoder.double(), "decoder": decoder.double()})


def test_the_divergence_is_that_of_torch_and_beta_weighs_it(coder: Parts) -> None:
    step = task("vae", beta=3.0).step(coder, batch(), "train")
    mean, spread = coder.encoder(batch()["image"]).chunk(2, 1)
    wanted = kl_divergence(Normal(mean, (spread / 2).exp()), Normal(torch.tensor(0.0), torch.tensor(1.0))).sum(1)
    assert isinstance(step.loss, dict)
    torch.testing.assert_close(step.loss["divergence"], 3 * wanted)
    torch.testing.assert_close(step.outputs["elbo"], -(step.loss["reconstruction"] + wanted))


def test_the_reconstruction_is_the_cross_entropy_of_the_pixels(coder: Parts) -> None:
    step = task("vae").step(coder, batch(), "train")
    rebuilt = step.outputs["reconstruction"]
    wanted = -Bernoulli(rebuilt, validate_args=False).log_prob(batch()["image"]).flatten(1).sum(1)
    assert isinstance(step.loss, dict)
    torch.testing.assert_close(step.loss["reconstruction"], wanted)


def test_what_is_generated_is_the_same_each_time_and_comes_from_the_prior(coder: Parts) -> None:
    one, other = (task("vae").evaluate(coder, batch()).outputs["generated"] for _ in range(2))
    assert torch.equal(one, other)
    noise = batch().normal(2, LATENT).double()[:, 1]
    torch.testing.assert_close(one, coder.decoder(noise).sigmoid())


class Maker(nn.Module):
    latent = LATENT

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(LATENT, 16).double()

    def forward(self, noise: Tensor) -> Tensor:
        return self.layer(noise).sigmoid().view(-1, 1, 4, 4)


class Judge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 1).double()

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image.flatten(1))[:, 0]


@pytest.fixture
def players() -> Parts:
    torch.manual_seed(0)
    return Parts({"generator": Maker(), "discriminator": Judge()})


def test_the_gans_losses_do_not_saturate(players: Parts) -> None:
    gan, rows = task("gan"), batch()
    real = players.discriminator(rows["image"])
    made = players.discriminator(players.generator(rows.normal(LATENT).double()))
    tell = gan.step(players, rows, "discriminator").loss
    torch.testing.assert_close(tell, -torch.log(real.sigmoid()) - torch.log(1 - made.sigmoid()))
    torch.testing.assert_close(gan.step(players, rows, "generator").loss, -torch.log(made.sigmoid()))
    assert gan.evaluate(players, rows).loss is None


def test_the_penalty_of_a_linear_critic_is_known(players: Parts) -> None:
    step = task("wgan-gp", penalty=10.0).step(players, batch(), "discriminator")
    assert isinstance(step.loss, dict)
    slope = players.discriminator.layer.weight.norm()
    torch.testing.assert_close(step.loss["penalty"], 10 * (slope - 1).square().expand(5))
    step.loss["penalty"].mean().backward()
    # d/dw 10 (|w| - 1)² = 20 (|w| - 1) w / |w|: the gradient went through the gradient.
    wanted = 20 * (slope - 1) * players.discriminator.layer.weight / slope
    torch.testing.assert_close(players.discriminator.layer.weight.grad, wanted.detach())


def test_the_penalty_is_known_where_nobody_wants_a_gradient(players: Parts) -> None:
    with torch.no_grad():
        step = task("wgan-gp").step(players, batch(), "discriminator")
    assert isinstance(step.loss, dict)
    assert torch.isfinite(step.loss["penalty"]).all()


def test_predictions_are_pictures(players: Parts, coder: Parts) -> None:
    made = task("gan").predict(players, batch())["generated"]
    assert [(image.size, image.mode) for image in made] == [((4, 4), "L")] * 5
    assert set(task("vae").predict(coder, batch())) == {"reconstruction", "generated"}
