"""Machines of AWS with GPUs: for each accelerator and number the smallest that holds an engine's pod, of 17 GiB."""

from __future__ import annotations

from infra.plan.node_pools import Shape, Shapes

SHAPES: Shapes = {
    "T4": (Shape(name="g4dn.2xlarge", gpus=1), Shape(name="g4dn.12xlarge", gpus=4), Shape(name="g4dn.metal", gpus=8)),
    "A10G": (Shape(name="g5.2xlarge", gpus=1), Shape(name="g5.12xlarge", gpus=4), Shape(name="g5.48xlarge", gpus=8)),
    "L4": (Shape(name="g6.2xlarge", gpus=1), Shape(name="g6.12xlarge", gpus=4), Shape(name="g6.48xlarge", gpus=8)),
    "L40S": (Shape(name="g6e.xlarge", gpus=1), Shape(name="g6e.12xlarge", gpus=4), Shape(name="g6e.48xlarge", gpus=8)),
    "RTX-PRO-6000": (
        Shape(name="g7e.2xlarge", gpus=1),
        Shape(name="g7e.12xlarge", gpus=2),
        Shape(name="g7e.24xlarge", gpus=4),
        Shape(name="g7e.48xlarge", gpus=8),
    ),
    "A100-40GB": (Shape(name="p4d.24xlarge", gpus=8),),
    "A100-80GB": (Shape(name="p4de.24xlarge", gpus=8),),
    "H100": (Shape(name="p5.4xlarge", gpus=1), Shape(name="p5.48xlarge", gpus=8)),
    "H200": (Shape(name="p5en.48xlarge", gpus=8),),
    "B200": (Shape(name="p6-b200.48xlarge", gpus=8),),
}
