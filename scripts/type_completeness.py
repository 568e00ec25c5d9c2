"""Read pyright's report on the public door from standard input; refuse less than 99 % of known types."""

import json
import sys

THRESHOLD = 0.99


def main() -> int:
    text = sys.stdin.read()
    try:
        report = json.loads(text[text.index("{") :])["typeCompleteness"]
    except (ValueError, KeyError):
        print(f"type completeness: pyright gave no report\n{text}", file=sys.stderr)
        return 1
    score: float = report["completenessScore"]
    for symbol in report["symbols"]:
        if symbol["isExported"] and not symbol["isTypeKnown"]:
            reasons = "; ".join(found["message"].splitlines()[0] for found in symbol["diagnostics"])
            print(f"  {symbol['name']}: {reasons or 'type unknown'}")
    if report["packageName"] != "eventfold" or not report["symbols"]:
        print("type completeness: nothing was looked at: is the project installed, with py.typed?", file=sys.stderr)
        return 1
    print(f"type completeness {score:.1%}, wanted {THRESHOLD:.0%}")
    return 0 if score >= THRESHOLD else 1


if __name__ == "__main__":
    sys.exit(main())
