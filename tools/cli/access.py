"""Set Kafka's ACLs. aiokafka's admin client has no method for this, only the request class."""

from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest

from parking.core.errors import Invalid, Retryable
from parking.core.rights import Acl
from parking.runtime.kafka import KafkaSettings

# Kafka's protocol numbers.
_RESOURCES: Final = {"topic": 2, "group": 3, "cluster": 4, "transactionalId": 5}
_OPERATIONS: Final = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "IdempotentWrite": 12}
_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3


async def allow(settings: KafkaSettings, acls: Sequence[Acl], users: Mapping[str, str]) -> None:
    """Set all `acls`. `users` maps a service to its Kafka user where the names differ. Setting an
    ACL again changes nothing. Raises Invalid if Kafka refuses and Retryable if it does not
    answer."""
    admin = AIOKafkaAdminClient(**settings.client())
    try:
        await admin.start()
        for one in acls:
            answer = await admin._send_to_controller(_request(one, users))  # noqa: SLF001 -- no public call
            for code, message, *_ in answer.creation_responses:
                if code:
                    detail = f"{one.service}, {one.name}: {for_code(code).__name__} {message}"
                    raise Invalid("acl-refused", detail)
    except KafkaError as error:
        raise Retryable(f"the rights could not be set: {error!r}") from error
    finally:
        await admin.close()


def _request(one: Acl, users: Mapping[str, str]) -> CreateAclsRequest:
    return CreateAclsRequest(
        _RESOURCES[one.resource],
        one.name,
        _PREFIXED if one.prefix else _LITERAL,
        f"User:{users.get(one.service, one.service)}",
        "*",
        _OPERATIONS[one.operation],
        _ALLOW,
    )
