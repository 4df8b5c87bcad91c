"""One module per controller: a pure plan, a thin reconcile."""
