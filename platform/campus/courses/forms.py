"""What partners fill in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from campus.courses.models import TITLE_LENGTH, Course, LessonSubtitles
from campus.courses.text import shown, tidy, visible
from campus.languages import CHOICES, name

if TYPE_CHECKING:
    _CourseModelForm = forms.ModelForm[Course]
else:
    # Django's own class takes no parameter; its stubs want one.
    _CourseModelForm = forms.ModelForm

_UNSHOWN = "Leave out control characters and characters that turn the direction of writing."
_UNSEEN = "Nothing of this can be seen: write some letters or digits."
_MEDIA = "video/*,.mkv,.mp4,.mov,.webm,.avi,.m4v,.ts"


class TitleField(forms.CharField):
    """One line of text that can be shown anywhere."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": TITLE_LENGTH, "label": "Title", **kwargs})

    def clean(self, value: Any) -> str:
        cleaned = str(super().clean(value))
        if not shown(cleaned):
            raise forms.ValidationError(_UNSHOWN)
        title = tidy(cleaned)
        if title and not visible(title):
            raise forms.ValidationError(_UNSEEN)
        # Composed, a few characters become several.
        self.run_validators(title)
        return title


class CourseForm(_CourseModelForm):
    """The course itself."""

    title = TitleField()

    class Meta:
        model = Course
        fields = ["title", "description", "source_language", "price", "currency"]
        widgets = {"description": forms.Textarea(attrs={"rows": 5})}
        help_texts = {
            "price": "Without a price the course is not put on sale; 0 makes it free.",
        }

    source_language = forms.ChoiceField(
        choices=CHOICES, initial="en", label="Language spoken in the lessons"
    )


class PriceForm(_CourseModelForm):
    """All that may change once a course was accepted."""

    class Meta:
        model = Course
        fields = ["price", "currency"]
        help_texts = {
            "price": "Without a price the course is not put on sale; 0 makes it free.",
        }


class LessonForm(forms.Form):
    """A lesson. `whole_size` is written by the page's script: was everything received?"""

    title = TitleField()
    whole_size = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    video = forms.FileField(
        label="Video",
        # The name is made fit to be shown later; an odd one is no reason to refuse a lesson.
        max_length=None,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": _MEDIA}),
        error_messages={"required": "Choose the lesson's video."},
    )

    def __init__(self, *args: Any, video_required: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["video"].required = video_required
        if not video_required:
            self.fields["video"].help_text = "Only if the video is to be replaced."


class SubtitlesForm(forms.Form):
    """Subtitles in the lesson's own language, or a translation."""

    language = forms.ChoiceField(choices=CHOICES)
    file = forms.FileField(
        label="Subtitles (SRT or WebVTT)",
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".srt,.vtt,text/vtt"}),
        error_messages={"required": "Choose a subtitle file."},
    )

    def __init__(
        self, *args: Any, source: str, given: list[LessonSubtitles], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("language", source)
        there = ", ".join(name(row.language) for row in given)
        self.fields["language"].help_text = (
            f"In {name(source)} they replace the recognition of speech; in another language they "
            "are the translation that is spoken."
            + (f" A new file replaces the one there is ({there})." if given else "")
        )
