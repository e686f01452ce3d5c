"""The review page: original and dub side by side, line by line."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from campus.accounts.access import needs, user_of
from campus.accounts.roles import DECIDE_REVIEWS, SEE_REVIEWS
from campus.refusals import Refused
from campus.review import presenting, services
from campus.voiceovers.models import Utterance, Voiceover
from campus.voiceovers.states import UNDER_WAY, VoiceoverState
from orchestrator.clock import DATABASE_CLOCK

_SECTION = {"section": "review"}
_RECENT = 50


@needs(SEE_REVIEWS)
@require_safe
def reviews(request: HttpRequest) -> HttpResponse:
    """What waits for review, and what became of the rest."""
    rows = Voiceover.objects.select_related("approved_by")
    waiting = rows.filter(state=VoiceoverState.IN_REVIEW).order_by("changed_at")
    others = rows.exclude(state=VoiceoverState.IN_REVIEW).order_by("-changed_at")[:_RECENT]
    context = {
        "waiting": [(voiceover, services.undecided(voiceover)) for voiceover in waiting],
        "others": others,
        "now": DATABASE_CLOCK.now(),
    }
    return render(request, "review/list.html", _SECTION | context)


@needs(SEE_REVIEWS)
@require_safe
def page(request: HttpRequest, voiceover_id: UUID) -> HttpResponse:
    """One dub."""
    rows = Voiceover.objects.select_related("job", "lesson", "approved_by")
    voiceover = get_object_or_404(rows, pk=voiceover_id)
    if voiceover.current_state in UNDER_WAY or not voiceover.utterances.exists():
        return redirect("voiceovers:page", voiceover.pk)
    outputs = voiceover.job.outputs()
    context = {
        "voiceover": voiceover,
        "lines": presenting.lines(voiceover.utterances.select_related("decided_by")),
        "tracks": [
            (language, name)
            for language, name in (
                (voiceover.target_language, "target_vtt"),
                (voiceover.source_language, "source_vtt"),
            )
            if name in outputs
        ],
        "original": voiceover.lesson is not None,
        "lost": services.LOST if services.lost(voiceover) else "",
        **_standing(voiceover),
    }
    return render(request, "review/page.html", _SECTION | context)


@needs(DECIDE_REVIEWS)
@require_POST
def keep(request: HttpRequest, voiceover_id: UUID, line_id: int) -> HttpResponse:
    """Decide about a line that could not be spoken, or take it back; answers with its row."""
    rows = Utterance.objects.select_related("voiceover", "decided_by")
    row = get_object_or_404(rows, pk=line_id, voiceover_id=voiceover_id)
    sentence = ""
    try:
        wanted = request.POST.get("keep") == "yes"
        services.keep_original(row, wanted, user_of(request), DATABASE_CLOCK.now())
    except Refused as refused:
        sentence = refused.sentence
    if not request.headers.get("HX-Request"):
        if sentence:
            messages.error(request, sentence)
        return redirect("review:page", voiceover_id)
    number = row.voiceover.utterances.filter(start__lt=row.start).count() + 1
    context = {
        "line": presenting.line(row, number),
        "sentence": sentence,
        "voiceover": row.voiceover,
        "swapped": True,
        **_standing(row.voiceover),
    }
    return render(request, "review/_decided.html", context, status=409 if sentence else 200)


@needs(DECIDE_REVIEWS)
@require_POST
def approve(request: HttpRequest, voiceover_id: UUID) -> HttpResponse:
    """Good enough to be published."""
    voiceover = get_object_or_404(Voiceover, pk=voiceover_id)
    try:
        services.approve(voiceover, _dub(request), user_of(request), DATABASE_CLOCK.now())
    except Refused as refused:
        messages.error(request, refused.sentence)
        return redirect("review:page", voiceover.pk)
    messages.success(request, f"Approved: {voiceover}. It is being published.")
    return redirect("review:list")


@needs(DECIDE_REVIEWS)
@require_POST
def request_changes(request: HttpRequest, voiceover_id: UUID) -> HttpResponse:
    """Not good enough, and why."""
    voiceover = get_object_or_404(Voiceover, pk=voiceover_id)
    reason = request.POST.get("reason", "")
    try:
        services.request_changes(
            voiceover, _dub(request), reason, user_of(request), DATABASE_CLOCK.now()
        )
    except Refused as refused:
        messages.error(request, refused.sentence)
        return redirect("review:page", voiceover.pk)
    messages.success(request, f"Changes requested: {voiceover}.")
    return redirect("review:list")


def _standing(voiceover: Voiceover) -> dict[str, object]:
    state = voiceover.current_state
    in_review = state is VoiceoverState.IN_REVIEW
    return {
        "in_review": in_review,
        "may_request_changes": in_review or services.off_the_host(voiceover),
        "undecided": services.undecided(voiceover),
    }


def _dub(request: HttpRequest) -> UUID:
    """Which dub was looked at: the page says so. Raises Refused."""
    try:
        return UUID(request.POST.get("dub", ""))
    except ValueError:
        raise Refused("Reload the page and try again.") from None
