"""The report of a run or an ensemble: one HTML file that opens offline and names the query behind numbers."""

from undertow.views.report.build import REPORT_FILE, write_report
from undertow.views.report.draws import write_draws_report

__all__ = ["REPORT_FILE", "write_draws_report", "write_report"]
