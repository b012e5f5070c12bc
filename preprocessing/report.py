"""x"""


def write_report(dataset):
    pass
