"""`eventfold parked`: look after events that processors could not handle."""
