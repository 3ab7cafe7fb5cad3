"""From records to tables, pages, and checks of submitted records.

The way is one: ``results`` reads a folder of records, ``boards`` puts those side by side that answer the same
questions, ``ranking`` says who can be told apart, ``tables`` makes cells of their rows, and ``render`` and ``site``
write them.
"""
