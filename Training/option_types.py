"""Types of options: what is wrong with a number is said before any work."""

import argparse


def measured_pixels(text):
    return text if text in ("auto", "stored") else one_or_two(text)


def one_or_two(text):
    """One or two positive numbers."""
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if not (len(numbers) in (1, 2) and all(1e-9 < number < 1e9 for number in numbers)):
        raise argparse.ArgumentTypeError(f"{text or 'nothing'} is not one or two positive numbers below a billion")
    return numbers


def positive(text):
    try:
        (number,) = one_or_two(text)
    except (argparse.ArgumentTypeError, ValueError):
        raise argparse.ArgumentTypeError(f"{text or 'nothing'} is not a positive number below a billion") from None
    return number


def side_of_voxels(text):
    """A positive number that may be left out: what follows may be meant for a file."""
    try:
        return positive(text)
    except argparse.ArgumentTypeError as error:
        hint = "" if set(text) <= set("0123456789.,+-eE") else ": name files before it"
        raise argparse.ArgumentTypeError(f"{error}{hint}") from None


def share(text):
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 1")
    return number


def count(text):
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return int(text)
