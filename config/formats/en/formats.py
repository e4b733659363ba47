"""What English pages write differently from Django, which writes American dates."""

DATE_FORMAT = "j F Y"
