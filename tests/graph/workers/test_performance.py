"""The dashboard: bound to this machine."""

import psutil
import pytest

from musedeep.graph.workers.executor import Resources
from musedeep.graph.workers.open import open_executor
from musedeep.graph.workers.performance import dashboard_address


@pytest.mark.parametrize("workers", [1, 2])
def test_servers_of_a_local_cluster_listen_on_this_machine_alone(workers):
    own = psutil.Process()
    before = {c.laddr for c in own.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    executor = open_executor(Resources(workers, 2, 2**31, watched=True))
    try:
        processes = [own, *own.children(recursive=True)]
        open_ = {c.laddr for p in processes for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}
        assert open_ - before
        assert {address.ip for address in open_ - before} <= {"127.0.0.1", "::1"}
        address = dashboard_address(executor)
        ports = {address.port for address in open_ - before}
        assert address is None or int(address.removeprefix("http://localhost:").removesuffix("/status")) in ports
    finally:
        executor.close()


def test_threads_listen_nowhere():
    own = psutil.Process()
    before = own.net_connections("inet")
    executor = open_executor(Resources(1, 2, 2**31))
    try:
        assert own.net_connections("inet") == before
        assert dashboard_address(executor) is None
    finally:
        executor.close()


def test_no_bokeh_no_dashboard(monkeypatch):
    monkeypatch.setattr("musedeep.graph.workers.performance.find_spec", lambda name: None)
    assert dashboard_address(None) is None
