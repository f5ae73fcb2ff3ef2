"""Reads what c10m writes with Python's hdrhistogram, and prints what it found as one JSON document.

Arguments: records (.json) and interval logs (.hlog). Prints a list with one entry for each histogram.
"""

import json
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader


def found(name, histogram):
    steps = histogram.get_recorded_iterator()
    values = [[step.value_iterated_to, step.count_at_value_iterated_to] for step in steps]
    return {
        "name": name,
        "start_ms": histogram.get_start_time_stamp(),
        "end_ms": histogram.get_end_time_stamp(),
        "count": histogram.get_total_count(),
        "p50": histogram.get_value_at_percentile(50),
        "p99": histogram.get_value_at_percentile(99),
        "max": histogram.get_max_value(),
        "values": values,
    }


def in_record(path):
    with open(path, encoding="utf-8") as file:
        histograms = json.load(file)["histograms"]
    return [found(name, HdrHistogram.decode(text)) for name, text in histograms.items()]


def in_log(path):
    reader = HistogramLogReader(path, HdrHistogram(1, 3_600_000_000_000, 3))
    histograms = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        histograms.append(found(histogram.get_tag(), histogram))
    reader.close()
    return histograms


everything = []
for path in sys.argv[1:]:
    everything += in_log(path) if path.endswith(".hlog") else in_record(path)
json.dump(everything, sys.stdout)
