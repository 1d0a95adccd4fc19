"""The report: one HTML file that opens offline, built from a run's tape."""

from undertow.views.report.build import REPORT_FILE, write_report

__all__ = ["REPORT_FILE", "write_report"]
