"""A finder that finds nothing: it takes a ticket or a checkpoint from a file, whoever made it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from common.config.schema import FindOptions
from common.config.section import refuse
from common.errors import UserError
from common.finders.base import Finder, FindInputs, one_shot
from common.tickets.states import load_start
from common.tickets.ticket import Ticket


class TicketFileOptions(FindOptions):
    """A ticket from a file, with the weights it brings along or with the run's own.

    The SHA-256 of the content is filled in where a config leaves it out. It is part of what the run
    is, as the path is: another file at the same path makes another run. A light ticket names the
    SHA-256 of its weights, so that the ticket's own covers them. A checkpoint is a ticket without
    masks, a compact one a ticket with the masks it was trained under.
    """

    name: Literal["ticket_file"] = "ticket_file"
    sparsity: None = Field(None, description="the ticket's own, so it cannot be set")
    path: str = Field(
        description="a .safetensors ticket or checkpoint, or a state dict of PyTorch (.pt, .pth); "
        "relative to the working directory"
    )
    sha256: str = Field("", pattern="^([0-9a-f]{64})?$", description="of the file's content")
    weights: Literal["ticket", "initial"] = Field(
        "ticket", description="start from the ticket's weights or from the run's initial ones"
    )

    @model_validator(mode="before")
    @classmethod
    def _identify(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("path"), str):
            path = Path(value["path"])
            if not path.is_file():
                raise refuse(f"path: no such file: {path}")
            if value.get("sha256"):
                return value
            return {**value, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        return value


def find_ticket_file(inputs: FindInputs) -> Ticket:
    """Return the ticket of the file.

    Raises:
        UserError: the file is missing, is no ticket and no checkpoint, has changed since the
            config named its content, fits no parameter of the model, or is a checkpoint without
            masks of which not even the weights are asked for.
    """
    options: TicketFileOptions = inputs.options
    path = Path(options.path)
    ticket = load_start(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != options.sha256:
        raise UserError(f"find.sha256: {path} has another content now ({found})")
    if options.weights == "initial":
        if not ticket.masks:
            raise UserError(
                f"find.weights: {path} holds no masks, so 'initial' would use nothing of it; "
                "allowed: 'ticket'"
            )
        ticket = Ticket(ticket.masks, inputs.initial_state(), ticket.meta)
    ticket.apply_to(inputs.model)
    return ticket


TICKET_FILE: Finder = one_shot(TicketFileOptions, find_ticket_file)
