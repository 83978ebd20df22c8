"""Figures, what is required of them, and the last line of JSON."""

import json
import statistics


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def percentile(values, share):
    """The smallest value that `share` of all are not above."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, int(len(ordered) * share + 0.999999) - 1))]


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 4) if isinstance(value, float) else value


def _text(value):
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


class Report:
    """Rows of a table beside what must and what should be; result is printed as the last line."""

    def __init__(self, bench):
        self.result = {"bench": bench}
        self._rows = []

    def row(self, name, figure, unit, must=None, aim=None, ours=None, yardstick=None):
        """`must` and `aim` are limits from above when must > aim, else from below. `ours` and
        `yardstick` are what the figure was made of."""
        verdict = ""
        if must is not None:
            sign = 1 if must > aim else -1
            good = [sign * figure <= sign * limit for limit in (aim, must)]
            verdict = "aim" if good[0] else "must" if good[1] else "BELOW"
        self._rows.append((name, ours, yardstick, figure, unit, must, aim, verdict))

    def print(self):
        width = max([len(row[0]) for row in self._rows], default=0)
        print(f"{'':{width}} {'ours':>9} {'yardstick':>9} {'figure':>16} {'must':>8} {'aim':>8}")
        for name, ours, yardstick, figure, unit, must, aim, verdict in self._rows:
            print(
                f"{name:{width}} {_text(ours):>9} {_text(yardstick):>9} {_text(figure) + ' ' + unit:>16}"
                f" {_text(must):>8} {_text(aim):>8} {verdict}"
            )
        print(json.dumps(_rounded(self.result)), flush=True)
