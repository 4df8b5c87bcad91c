"""Who set which field: managedFields for every writer, and server-side apply (KEP-555).

``atoms`` says how each type is merged; ``fieldsets`` are sets of field paths in their wire form; ``comparing``
finds what a write changed; ``merging`` merges and prunes values; ``entries`` reads and writes the managedFields of
an object; ``manager`` puts them together. Rules: ``sigs.k8s.io/structured-merge-diff`` and
``apimachinery/pkg/util/managedfields``. Pure throughout.
"""
