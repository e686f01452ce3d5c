"""The look: base template, style sheet, scripts, template tags."""
