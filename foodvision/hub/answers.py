"""What the Hub answers, checked: the client takes fields of any type and size as they come."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter


def _below(name: str) -> str:
    """Refuse what would lead out of the repository's folder."""
    if "\\" in name or "\0" in name or {"", ".", ".."} & set(name.split("/")):
        raise ValueError("a name that leads elsewhere")
    return name


Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
_Path = Annotated[str, Field(max_length=1000), AfterValidator(_below)]
_Size = Annotated[int, Field(ge=0)]


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, strict=True)


class _Lfs(_Answer):
    size: _Size
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class File(_Answer):
    """A file as a listing has it: size and hash only if they were asked for."""

    rfilename: _Path
    size: _Size | None = None
    blob_id: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    lfs: _Lfs | None = None


class RepoState(_Answer):
    """The commit of a branch."""

    sha: Commit


class RepoInfo(RepoState):
    """A model, dataset or Space."""

    private: bool
    gated: bool | str | None = None
    library_name: Annotated[str, Field(max_length=200)] | None = None
    siblings: Annotated[list[File], Field(max_length=100_000)]


class SpaceInfo(RepoInfo):
    """A Space; its address as far as it has one."""

    sdk: Annotated[str, Field(max_length=40)] | None = None
    host: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:-]+/?$")] | None = None


class SpaceRuntime(_Answer):
    """What a Space is doing, and on what."""

    stage: Annotated[str, Field(pattern=r"^[A-Z_]{1,40}$")]
    requested_hardware: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,60}$")] | None = None


class _Named(_Answer):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class _AccessToken(_Answer):
    role: str | None = None


class _Auth(_Answer):
    token: _AccessToken | None = Field(None, alias="accessToken")


class Account(_Named):
    """Who a token belongs to, and what it may do."""

    orgs: Annotated[list[_Named], Field(max_length=10_000)] = []
    auth: _Auth | None = None
    is_pro: bool | None = Field(None, alias="isPro")
    can_pay: bool | None = Field(None, alias="canPay")

    @property
    def role(self) -> str | None:
        """What the token may do: read, write or fineGrained."""
        return self.auth.token.role if self.auth and self.auth.token else None


def commit_of(answer: Any) -> str:
    """Return the name of the commit that an upload made."""
    return str(TypeAdapter(Commit).validate_python(answer.oid, strict=True))
