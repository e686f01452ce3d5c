"""Reports as text for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.cost_report import CostReport
from orchestrator.fleet_report import AlertReport, FleetReport, NodeReport


def status(report: FleetReport) -> str:
    """What is wrong, what waits, and each node."""
    lines = [f"{report.queued} queued, {report.running} running"]
    if report.cloud_trouble:
        lines.append(f"The cloud: {report.cloud_trouble}")
    lines += [f"ALERT {alert.sentence}" for alert in report.alerts]
    for node in report.nodes:
        lines += _node(node)
    return "\n".join(lines)


def alerts(found: Sequence[AlertReport]) -> str:
    """One line for each."""
    if not found:
        return "No alerts."
    return "\n".join(
        f"{alert.raised_at:%Y-%m-%d %H:%M} UTC  {alert.kind}  {alert.sentence}"
        f"{f' (over since {alert.cleared_at:%Y-%m-%d %H:%M})' if alert.cleared_at else ''}"
        for alert in found
    )


def costs(report: CostReport) -> str:
    """A table, its sum last."""
    head = (*report.columns, "jobs", "hours", "own", "overhead", "total")
    rows = [
        (
            *row.names,
            str(row.jobs),
            f"{row.seconds / 3600:.2f}",
            str(row.own),
            str(row.overhead),
            str(row.total),
        )
        for row in report.rows
    ]
    blank = [""] * (len(report.columns) - 1)
    sums = (report.own, report.overhead, report.total)
    rows.append(("all", *blank, "", "", *map(str, sums)))
    widths = [max(len(line[at]) for line in (head, *rows)) for at in range(len(head))]
    names = len(report.columns)
    return "\n".join(
        [
            f"{report.month}, in {report.currency}",
            *(
                "  ".join(
                    text.ljust(width) if at < names else text.rjust(width)
                    for at, (text, width) in enumerate(zip(line, widths, strict=True))
                ).rstrip()
                for line in (head, *rows)
            ),
        ]
    )


def _node(node: NodeReport) -> list[str]:
    spent = ", ".join(f"{cause} {seconds:.0f} s" for cause, seconds in node.seconds.items())
    words = [f"{node.name}: {node.phase}. {node.why}", node.worker_sentence, node.cloud_fault]
    gpu = node.gpu
    hardware = (
        f"  GPU {gpu.use_percent:.0f} %, {gpu.memory_used_mb} of {gpu.memory_total_mb} MB, "
        f"{gpu.temperature:.0f} °C"
        if gpu is not None
        else ""
    )
    lines = [" ".join(word for word in words if word), hardware, node.note and f"  {node.note}"]
    return [*(line for line in lines if line), f"  last 24 h: {spent or 'nothing billed'}"]
