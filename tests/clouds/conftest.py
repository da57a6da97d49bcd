"""Fixtures for programs whose clouds are files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clouds import project as clouds
from tests.clouds.cloud import Cloud
from tests.cluster.pulumi_project import Project, wheel_version
from tools.pulumi import command_line as pulumi


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A Pulumi project with nothing in it yet."""
    command_line, kubernetes = pulumi.find(), wheel_version()
    if command_line is None:
        pytest.skip("no Pulumi CLI here: tools/pulumi/install installs it")
    if kubernetes is None or clouds.version("aws") is None:
        pytest.skip("pulumi-aws is not installed here: tools/python/install local dev aws installs it")
    return Project(tmp_path / "project", command_line.folder, kubernetes, tmp_path / "no-kubeconfig")


@pytest.fixture
def cloud(project: Project) -> Cloud:
    """The AWS of that project."""
    return clouds.install(project.folder / "home", "aws", project.folder / "aws.json")
