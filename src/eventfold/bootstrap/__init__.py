"""The only wiring: a URL becomes adapters, adapters and an application become something that runs."""

from eventfold.bootstrap.application import Eventfold
from eventfold.bootstrap.running import Running

__all__ = ["Eventfold", "Running"]
