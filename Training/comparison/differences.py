"""What a comparison does otherwise than the paper, for its page."""

TEXT = """## Next to the paper's own figures

What the paper prints of complexity stands beside ours in the table of complexity. Its quality figures cannot be
compared with these directly, for reasons that would hold for any run of this code:

- **Data.** Other volumes, other patients, and fewer of them.
- **Degradation.** The paper's pipeline low-passes at full size and then resizes an 8-bit image with an antialiased
  bicubic filter (`degradation: paper`); `kspace` crops k-space exactly, as a scanner measures. Bicubic interpolation
  has 30.62, 27.46 and 25.75 dB at 2x, 3x and 4x in the paper.
- **Zero-filling** is the classical method for k-space cropping, and is in the tables of every test set; the paper has
  none.
- **Consistency** is computed in floating point here, also where the input was rounded to 8 bits. Zero-filling reaches
  the limit of float32 with `kspace`.
- **Precision.** All networks restore, and are timed, in float32.
- **Training.** Every network sees the same number of crops; most were published with far more. Its schedule is
  stretched or compressed to that number. Fixed-scale networks begin from scratch at every scale.
- **NExpR (paper)** has no skip and does not see the scale, as the paper's equations say. The published code adds
  bicubic interpolation and gives the scale to the decoder.
- **SwinIR, SRNO, LTE.** The paper's multiply-adds leave out products of attention, or count a phase once per sample.
- **On the k-space grid**, where images are periodic, every network sees slices continued periodically. Fixed-scale
  networks, whose results lie on the field-of-view grid, get their input shifted by a part of a pixel in k-space."""
