"""Machines of Google Cloud with GPUs: the smallest for each accelerator and number."""

from __future__ import annotations

from infra.plan.node_pools import Shape, Shapes

SHAPES: Shapes = {
    "T4": (Shape(name="n1-standard-8", gpus=1), Shape(name="n1-standard-16", gpus=4)),
    "L4": (
        Shape(name="g2-standard-8", gpus=1),
        Shape(name="g2-standard-24", gpus=2),
        Shape(name="g2-standard-48", gpus=4),
        Shape(name="g2-standard-96", gpus=8),
    ),
    "RTX-PRO-6000": (
        Shape(name="g4-standard-48", gpus=1),
        Shape(name="g4-standard-96", gpus=2),
        Shape(name="g4-standard-192", gpus=4),
        Shape(name="g4-standard-384", gpus=8),
    ),
    "A100-40GB": (
        Shape(name="a2-highgpu-1g", gpus=1),
        Shape(name="a2-highgpu-2g", gpus=2),
        Shape(name="a2-highgpu-4g", gpus=4),
        Shape(name="a2-highgpu-8g", gpus=8),
    ),
    "A100-80GB": (
        Shape(name="a2-ultragpu-1g", gpus=1),
        Shape(name="a2-ultragpu-2g", gpus=2),
        Shape(name="a2-ultragpu-4g", gpus=4),
        Shape(name="a2-ultragpu-8g", gpus=8),
    ),
    "H100": (
        Shape(name="a3-highgpu-1g", gpus=1),
        Shape(name="a3-highgpu-2g", gpus=2),
        Shape(name="a3-highgpu-4g", gpus=4),
        Shape(name="a3-highgpu-8g", gpus=8),
    ),
    "H200": (Shape(name="a3-ultragpu-8g", gpus=8),),
    "B200": (Shape(name="a4-highgpu-8g", gpus=8),),
}
# A card that is added to a machine is in its price, and in what price lists call it.
PRICED_AS = {shape.name: f"{shape.name}+T4{f'x{shape.gpus}' * (shape.gpus > 1)}" for shape in SHAPES["T4"]}
