"""Values that came after records were made: where they are their defaults, they are written nowhere."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer


class Sparse(BaseModel):
    """A model without the values that are their defaults, so that hashes of what does not name them stay the same."""

    @model_serializer(mode="wrap")
    def _named(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        defaults = {name: field.default for name, field in type(self).model_fields.items() if not field.is_required()}
        found: dict[str, Any] = dump(self)
        return {name: value for name, value in found.items() if name not in defaults or value != defaults[name]}
