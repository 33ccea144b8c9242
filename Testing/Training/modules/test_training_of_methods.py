"""``nexpr train`` for the compared methods: their networks, their schedules, and SRGAN's two optimizers."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import yaml

from NExpRLib.network import NetworkConfig
from NExpRTraining.comparison.trained import KEPT
from NExpRTraining.configs import config_path
from NExpRTraining.evaluation.metrics import evaluate_slice
from NExpRTraining.evaluation.restorers import ArbitraryScale, FixedScale, load_restorer
from NExpRTraining.modules import NExpRTraining, SRGANTraining
from NExpRTraining.modules.perceptual import STAGES, PerceptualLoss
from NExpRTraining.modules.schedule import Schedule

from .test_training import weights

BRIEF = [
    *("--data.slices_per_batch", "2", "--data.steps_per_epoch", "2", "--data.workers", "0"),
    *("--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false", "--trainer.limit_val_batches", "1"),
]


@pytest.fixture
def train(nexpr, prepared, tmp_path):  # noqa: F811
    """Run ``nexpr train`` of a method: ``(status, err, folder with the checkpoint)``."""

    def run(name, *arguments, folder="run"):
        folder = tmp_path / folder
        status, _, err = nexpr(
            *("train", "--config", f"{name}.yaml", *BRIEF, "--data.data", prepared),
            *("--last.dirpath", folder, "--best.dirpath", folder, "--trainer.default_root_dir", folder, *arguments),
        )
        return status, err, folder

    return run


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("edsr", ["--model.scale", "3"], FixedScale),
        ("edsr", ["--model.scale", "3", "--model.network", "{blocks: 2, features: 8}"], FixedScale),
        ("liif", ["--data.truth_samples", "8", "--model.network", "{blocks: 1, features: 4}"], ArbitraryScale),
    ],
)
def test_trained_network_is_used_from_its_checkpoint(train, nexpr, tmp_path, name, options, kind):
    status, err, folder = train(name, *options, "--data.crop_size", "12", "--trainer.max_steps", "2")
    assert status == 0, err
    restorer = load_restorer(folder / "last.ckpt", "kspace", torch.device("cpu"))
    assert isinstance(restorer, kind)
    assert restorer.scale == (3 if name == "edsr" else None)
    trained = {n.removeprefix("network."): w for n, w in weights(folder / "last.ckpt").items()}
    assert all(torch.equal(trained[n], w) for n, w in restorer.network.state_dict().items())
    assert restorer(np.zeros((12, 15), np.float32), (36, 44)).shape == (36, 44)
    status, _, err = nexpr("models", "export", folder / "last.ckpt", "-o", tmp_path / "model")
    assert status == 2
    assert "only NExpR is exported" in err
    assert not (tmp_path / "model").exists()


def test_network_of_another_method_is_evaluated_from_its_checkpoint(train, nexpr, tmp_path):
    options = [
        "--model.scale",
        "3",
        "--data.crop_size",
        "12",
        "--trainer.max_steps",
        "2",
        "--data.degradation",
        "bicubic",
    ]
    checkpoint = train("edsr", *options)[2] / "last.ckpt"
    truth = np.random.default_rng(0).random((2, 24, 27), dtype=np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(truth), tmp_path / "in.nrrd")
    command = ["evaluate", tmp_path / "in.nrrd", "--model", checkpoint, "--device", "cpu", "--window", 0, 1]
    status, out, err = nexpr(*command, "--scales", 3)
    assert status == 0, err
    assert "EDSR" in out
    assert "Degradation: bicubic." in out
    restorer = load_restorer(checkpoint, "bicubic", torch.device("cpu"))
    expected = np.mean([evaluate_slice(t, 3, "bicubic", {"EDSR": restorer})[1]["EDSR"][1]["PSNR"] for t in truth])
    row = next(line for line in out.splitlines() if "all slices" in line and "EDSR" in line)
    assert f"{expected:.2f}" in row
    for arguments, said in (
        (["--scales", 2, 3], "3x only"),
        (["--scales", 3, "--update-card"], "no model card"),
    ):
        status, _, err = nexpr(*command, *arguments)
        assert status == 2
        assert said in err
    state = torch.load(checkpoint, weights_only=True)
    torch.save({name: state[name] for name in KEPT}, tmp_path / "trained.ckpt")
    of_comparison = ["--model", tmp_path / "trained.ckpt", "--scales", 3, "--window", 0, 1, "--device", "cpu"]
    assert row in nexpr("evaluate", tmp_path / "in.nrrd", *of_comparison)[1]
    status, _, err = nexpr("evaluate", tmp_path / "in.nrrd", "--model", tmp_path / "nowhere.ckpt")
    assert status == 2
    assert "There is no file" in err


@pytest.mark.parametrize("name", ["liif", "edsr"])
def test_methods_for_slices_are_not_trained_on_stacks(train, name):
    """They could not be evaluated either."""
    status, err, folder = train(name, "--data.degradation", "slices")
    assert status == 2
    assert "Only NExpR is trained with --data.degradation slices" in err
    assert not (folder / "last.ckpt").exists()


SRGAN = [
    *("--model.scale", "2", "--model.crop_size", "16", "--data.crop_size", "16", "--model.pretraining", "0.5"),
    *("--trainer.max_steps", "4"),
]


@pytest.mark.slow
def test_srgan_resumes_bit_for_bit_between_its_phases(train, monkeypatch):
    """Two steps of pretraining and two against the discriminator; the run that is resumed was stopped in between."""
    status, err, whole = train("srgan", *SRGAN, folder="whole")
    assert status == 0, err
    step = SRGANTraining.training_step

    def stop(self, samples):
        if self.global_step == 2:
            raise ValueError("stopped")
        return step(self, samples)

    monkeypatch.setattr(SRGANTraining, "training_step", stop)
    status, _, stopped = train("srgan", *SRGAN, folder="stopped")
    assert status == 2
    monkeypatch.undo()
    pretrained = weights(stopped / "last.ckpt")
    status, err, resumed = train("srgan", *SRGAN, "--resume", stopped / "last.ckpt", folder="resumed")
    assert status == 0, err
    expected, found = weights(whole / "last.ckpt"), weights(resumed / "last.ckpt")
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    changed = {name.split(".")[0] for name in found if not torch.equal(found[name], pretrained[name])}
    assert changed == {"network", "discriminator"}
    assert torch.load(whole / "last.ckpt", weights_only=True)["global_step"] == 4


def test_srgan_says_which_crops_its_discriminator_needs(train):
    status, err, _ = train("srgan", *SRGAN, "--data.crop_size", "24")
    assert status == 2
    assert "--model.crop_size and --data.crop_size the same value" in err


def test_vgg_weights_that_are_none(train, tmp_path):
    (tmp_path / "vgg.pth").write_bytes(b"no weights")
    status, err, _ = train("srgan", *SRGAN, "--model.vgg_weights", tmp_path / "vgg.pth")
    assert status == 2
    assert "vgg.pth holds no weights of torchvision's VGG19" in err


def test_perceptual_loss_sees_the_sixteenth_convolution(tmp_path):
    """VGG19 layer by layer: convolutions with random weights, pooling after each stage but the last."""
    torch.manual_seed(0)
    state, x, index, previous = {}, torch.rand(2, 1, 32, 32), 0, 3
    other = torch.rand(2, 1, 32, 32)
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    seen = [(image - mean) / std for image in (x, other)]
    widths = [w for stage in STAGES for w in stage]
    assert len(widths) == 16
    for number, width in enumerate(widths, 1):
        weight, bias = torch.randn(width, previous, 3, 3) * (2 / previous / 9) ** 0.5, torch.randn(width) * 0.1
        state |= {f"features.{index}.weight": weight, f"features.{index}.bias": bias}
        seen = [torch.nn.functional.conv2d(image, weight, bias, padding=1) for image in seen]
        if number < 16:
            seen = [image.relu() for image in seen]
        index, previous = index + 2, width
        if number in (2, 4, 8, 12):
            seen, index = [torch.nn.functional.max_pool2d(image, 2) for image in seen], index + 1
    torch.save({**state, "classifier.0.bias": torch.zeros(3)}, tmp_path / "vgg.pth")
    loss = PerceptualLoss(tmp_path / "vgg.pth")
    torch.testing.assert_close(loss(x, other), (seen[0] - seen[1]).abs().mean())


def rates(schedule, epochs):
    return [schedule.factor(epoch / epochs) for epoch in range(epochs)]


def scheduled(scheduler, epochs, **options):
    """Factors by a scheduler of PyTorch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule, found = scheduler(optimizer, **options), []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_schedule_that_halves():
    schedule = Schedule(halve_at=[0.2, 0.4, 0.6, 0.8])
    expected = scheduled(torch.optim.lr_scheduler.MultiStepLR, 1000, milestones=[200, 400, 600, 800], gamma=0.5)
    np.testing.assert_allclose(rates(schedule, 1000), expected)


def test_schedule_of_the_paper_halves_every_50_of_200_epochs_in_runs_of_any_length():
    config = yaml.safe_load(config_path("paper.yaml").read_text(encoding="utf-8"))["model"]
    options = {name: config[name] for name in ("learning_rate", "warmup_steps", "decay_steps")}
    module = NExpRTraining(NetworkConfig(blocks=1), schedule=Schedule(**config["schedule"]), **options)
    assert module.hparams.learning_rate == 1e-4
    expected = scheduled(torch.optim.lr_scheduler.StepLR, 200, step_size=50, gamma=0.5)
    for total in (200, 200_000):
        factors = [module.learning_rate_factor(step, total) for step in range(0, total, total // 200)]
        np.testing.assert_allclose(factors, expected)


def test_schedule_of_cosines():
    expected = scheduled(torch.optim.lr_scheduler.CosineAnnealingWarmRestarts, 400, T_0=100)
    np.testing.assert_allclose(rates(Schedule(cosine_periods=4), 400), expected, atol=1e-9)


def test_schedule_with_warm_up():
    """SRNO: from 4e-5 to ten times that in 50 epochs, then to 0 in 1000."""
    found = 4e-4 * np.array(rates(Schedule(warmup=50 / 1050, warmup_start=0.1, cosine_periods=1), 1050))
    assert found[0] == pytest.approx(4e-5)
    assert found[25] == pytest.approx((4e-5 + 4e-4) / 2)
    assert found[50] == pytest.approx(4e-4)
    assert found[550] == pytest.approx(2e-4)
    assert found[-1] < 1e-8
