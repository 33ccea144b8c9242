"""What a benchmark ran on."""

import os
import platform
import subprocess
from datetime import datetime

import torch

from NExpRLib.memory import readable_bytes


def describe_machine():
    """Lines of ``(property, value)``."""
    lines = [
        ("Date", datetime.now().astimezone().isoformat(" ", "minutes")),
        ("Processor", f"{processor_name()} ({torch.backends.cpu.get_cpu_capability()})"),
        ("Cores", f"{usable_cores()} for this program, {torch.get_num_threads()} threads of PyTorch and SimpleITK"),
        ("System", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"),
        ("PyTorch", torch.__version__),
    ]
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        lines.insert(3, ("Memory", readable_bytes(memory)))
    if hasattr(os, "getloadavg"):
        lines.append(("Load", f"{os.getloadavg()[0]:.1f} running programs on average in the minute before"))
    return lines


def present_devices():
    """Torch devices of this machine, fastest first."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [torch.device(name) for name, available in present.items() if available]


def device_name(device):
    """``cpu (AMD EPYC)``."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name()})"
    return f"{device.type} ({processor_name()})"


def usable_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def processor_name():
    if platform.system() == "Linux":
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return platform.processor() or platform.machine()
