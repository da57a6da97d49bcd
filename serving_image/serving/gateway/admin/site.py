"""The admin listener's parts, put together: its documents, the page that shows them, and the box to try a model."""

from __future__ import annotations

from collections.abc import Iterable

from serving.gateway.admin.application import HEADERS, AdminApplication
from serving.gateway.admin.figures import Figures
from serving.gateway.admin.page_files import read_page_files
from serving.gateway.admin.refusals import RefusalLog
from serving.gateway.admin.status import StatusDocument
from serving.gateway.admin.trial import Trial
from serving.gateway.application import PublicApplication
from serving.gateway.metrics import Metrics
from serving.gateway.state import GatewayState


class AdminSite:
    """Made only where there is an admin listener: without one nothing is sampled or kept."""

    def __init__(self, hosts: Iterable[str], state: GatewayState, metrics: Metrics, public: PublicApplication) -> None:
        self.status = StatusDocument(state)
        self.figures = Figures(state, metrics)
        public.refusals = refusals = RefusalLog()
        documents = {"/status.json": self.status, "/figures.json": self.figures, "/refusals.json": refusals}
        self.application = AdminApplication(hosts, documents, read_page_files(), Trial(public, HEADERS))
