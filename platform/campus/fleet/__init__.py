"""The fleet for operators: its page, and its tables in the admin.

(Being written by the lead right now, complete with admin and template: only base.html, the CSS and
the admin's sidebar entries are needed from elsewhere. The template extends base.html with the
blocks title and content.)
"""
