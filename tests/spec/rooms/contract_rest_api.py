"""What the REST contract says of all routes, of catalogues, health, metrics and the page, and of bad input."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "rest:0.1:GET:/": Requirement("The page answers, and needs the action `info`.", "rest-api.md 0.1"),
    "rest:0.1:GET:/v1/info": Requirement("The information answers, and needs the action `info`.", "rest-api.md 0.1"),
    "rest:0.1:GET:/v1/models": Requirement("The models are listed for who has `get_models`.", "rest-api.md 0.1"),
    "rest:0.1:GET:/v1/tools": Requirement("The tools are listed for who has `get_tools`.", "rest-api.md 0.1"),
    "rest:0.1:GET:/v1/shields": Requirement("The shields are listed for who has `get_shields`.", "rest-api.md 0.1"),
    "rest:0.1:GET:/v1/providers": Requirement(
        "The providers are listed for who has `list_providers`.", "rest-api.md 0.1"
    ),
    "rest:0.1:GET:/v1/providers/{id}": Requirement("A provider is shown to who has `get_provider`.", "rest-api.md 0.1"),
    "rest:0.1:POST:/v1/query": Requirement("A question is answered for who has `query`.", "rest-api.md 0.1"),
    "rest:0.1:POST:/v1/streaming_query": Requirement(
        "A question is answered as a stream for who has `streaming_query`.", "rest-api.md 0.1"
    ),
    "rest:0.1:GET:/v1/config": Requirement("The configuration is shown to who has `get_config`.", "rest-api.md 0.1"),
    "rest:0.1:POST:/v1/feedback": Requirement("Feedback is taken from who has `feedback`.", "rest-api.md 0.1"),
    "rest:0.1:GET:/v1/feedback/status": Requirement(
        "The state of the feedback switch is told to everybody, unasked who they are.", "rest-api.md 0.1"
    ),
    "rest:0.1:PUT:/v1/feedback/status": Requirement("The feedback switch is for who has `admin`.", "rest-api.md 0.1"),
    "rest:0.1:GET:/v1/conversations": Requirement(
        "Conversations are listed in v1 for who has `list_conversations`.", "rest-api.md 0.1"
    ),
    "rest:0.1:GET:/v1/conversations/{id}": Requirement(
        "A conversation is shown in v1 to who has `get_conversation`.", "rest-api.md 0.1"
    ),
    "rest:0.1:DELETE:/v1/conversations/{id}": Requirement(
        "A conversation is deleted in v1 for who has `delete_conversation`.", "rest-api.md 0.1"
    ),
    "rest:0.1:GET:/v2/conversations": Requirement(
        "Conversations are listed in v2 for who has `list_conversations`.", "rest-api.md 0.1"
    ),
    "rest:0.1:GET:/v2/conversations/{id}": Requirement(
        "A conversation is shown in v2 to who has `get_conversation`.", "rest-api.md 0.1"
    ),
    "rest:0.1:DELETE:/v2/conversations/{id}": Requirement(
        "A conversation is deleted in v2 for who has `delete_conversation`.", "rest-api.md 0.1"
    ),
    "rest:0.1:PUT:/v2/conversations/{id}": Requirement(
        "A conversation is renamed in v2 for who has `update_conversation`.", "rest-api.md 0.1"
    ),
    "rest:0.1:GET:/readiness": Requirement("Readiness is told to who has `info`.", "rest-api.md 0.1"),
    "rest:0.1:GET:/liveness": Requirement("Liveness is told to who has `info`.", "rest-api.md 0.1"),
    "rest:0.1:POST:/authorized": Requirement("Every authenticated caller is told who they are.", "rest-api.md 0.1"),
    "rest:0.1:GET:/metrics": Requirement("Metrics are shown to who has `get_metrics`.", "rest-api.md 0.1"),
    "rest:0.1:openapi.json": Requirement("The OpenAPI document is open to everybody.", "rest-api.md 0.1"),
    "rest:0.1:docs": Requirement("`/docs` is open to everybody.", "rest-api.md 0.1"),
    "rest:0.1:oauth2-redirect": Requirement("`/docs/oauth2-redirect` is open to everybody.", "rest-api.md 0.1"),
    "rest:0.1:redoc": Requirement("`/redoc` is open to everybody.", "rest-api.md 0.1"),
    "rest:0.1:health-aliases": Requirement(
        "Probes answer below `/v1` as they do without it.", "rest-api.md 0.1; decisions.md 1"
    ),
    "rest:0.1:head": Requirement(
        "Probes answer HEAD; every other path tells 405 and what it allows.", "rest-api.md 0.1; decisions.md 1"
    ),
    "rest:0.1:trailing-slash": Requirement(
        "A path with a slash at its end is answered directly.", "rest-api.md 0.1; decisions.md 25"
    ),
    "rest:0.1:tags-and-ids": Requirement(
        "The 24 operations have the reference's tags and operation ids.", "rest-api.md 0.1"
    ),
    "rest:0.1:openapi-info": Requirement(
        "Title, version, licence and server of the document are the reference's.", "rest-api.md 0.1"
    ),
    "rest:0.2:1-cors": Requirement("A preflight is answered with 200 `OK` before everything else.", "rest-api.md 0.2"),
    "rest:0.2:2-metrics": Requirement("Requests are counted whatever refuses them.", "rest-api.md 0.2"),
    "rest:0.2:3-routing": Requirement(
        "404 and 405 come before the body and the caller are looked at.", "rest-api.md 0.2"
    ),
    "rest:0.2:4-syntax": Requirement(
        "A body that is no JSON is told before the caller is asked for.", "rest-api.md 0.2"
    ),
    "rest:0.2:5-authentication": Requirement("Who is calling is asked before fields are looked at.", "rest-api.md 0.2"),
    "rest:0.2:5-feedback-switch": Requirement(
        "Feedback that is switched off is told after authentication and before fields.", "rest-api.md 0.2"
    ),
    "rest:0.2:6-fields": Requirement("Fields are looked at before the action.", "rest-api.md 0.2"),
    "rest:0.2:7-action": Requirement("The action is looked at before what is stored.", "rest-api.md 0.2"),
    "rest:0.2:8-handler": Requirement("What is stored is looked at last.", "rest-api.md 0.2"),
    "rest:0.2:consequence": Requirement(
        "Who has neither credentials nor a valid body is told of the credentials.", "rest-api.md 0.2"
    ),
    "rest:0.3:validation": Requirement(
        "A mistake in a body tells its type, place, message and the refused value.", "rest-api.md 0.3"
    ),
    "rest:0.3:custom": Requirement(
        "A rule of ours is told as `value_error`, with the prefix and the empty `error`.", "rest-api.md 0.3"
    ),
    "rest:0.3:extra": Requirement(
        "An unknown field is told as `extra_forbidden` where it is refused.", "rest-api.md 0.3; decisions.md 16"
    ),
    "rest:0.3:absent": Requirement("An absent field is told as `missing`.", "rest-api.md 0.3"),
    "rest:0.3:service-error": Requirement(
        "The service's errors have `response` and `cause`, a few only the former.", "rest-api.md 0.3"
    ),
    "rest:0.3:auth-error": Requirement("Errors of authentication are a string.", "rest-api.md 0.3"),
    "rest:0.3:denial": Requirement("A missing action is a string that names it.", "rest-api.md 0.3"),
    "rest:0.3:unreachable": Requirement(
        "A provider that cannot be reached is 500 with `Connection error.`, and history is there all the same.",
        "rest-api.md 0.3",
    ),
    "rest:0.3:timed-out": Requirement(
        "A provider that does not answer in time is 500 with `Request timed out.` as its cause.", "rest-api.md 0.3"
    ),
    "rest:0.3:unhandled": Requirement(
        "What nobody foresaw is 500 in JSON with CORS headers, and says nothing internal.",
        "rest-api.md 0.3; decisions.md 5",
    ),
    "rest:0.4:authorization": Requirement(
        "`noop` does not look at the Authorization header.", "rest-api.md 0.4; auth.md 2.1"
    ),
    "rest:0.4:mcp-headers": Requirement(
        "MCP-HEADERS may come with any request, and only questions read it.", "rest-api.md 0.4"
    ),
    "rest:0.4:content-type": Requirement(
        "Bodies of another type than JSON are refused with `model_attributes_type`.", "rest-api.md 0.4"
    ),
    "rest:0.4:user_id": Requirement(
        "The parameter `user_id`, even an empty one, says who is asking.", "rest-api.md 0.4; auth.md 2.1"
    ),
    "rest:0.5:defaults": Requirement(
        "Every origin may use every method and header, for 600 seconds, where nothing is configured.", "rest-api.md 0.5"
    ),
    "rest:0.5:configured": Requirement("Configured origins, methods, headers and credentials hold.", "rest-api.md 0.5"),
    "rest:4.1:body": Requirement(
        "The name and versions are told; the stack's are `not used` where there is none.",
        "rest-api.md 4.1; decisions.md 19",
    ),
    "rest:4.1:name": Requirement(
        "The name is the configured one, and in the title of the document.", "rest-api.md 4.1"
    ),
    "rest:4.1:no-provider": Requirement("The information needs no provider.", "rest-api.md 4.1"),
    "rest:4.2:body": Requirement(
        "Models have Llama Stack's fields, both names of the type among them.", "rest-api.md 4.2"
    ),
    "rest:4.2:unreachable": Requirement(
        "Models of the only provider, which cannot be reached, are 500.", "rest-api.md 4.2"
    ),
    "rest:4.2:failure": Requirement(
        "Models that cannot be listed are 500 in the contract's words, without the provider's own.", "rest-api.md 4.2"
    ),
    "rest:4.2:order": Requirement(
        "Models and providers are listed in the order of the configuration and of each server.",
        "rest-api.md 4.2; decisions.md 26",
    ),
    "rest:4.3:body": Requirement("Tools are a list, empty where there are none.", "rest-api.md 4.3"),
    "rest:4.3:no-provider": Requirement("Tools are listed without a provider.", "rest-api.md 4.3"),
    "rest:4.4:body": Requirement("Shields are a list, empty where there are none.", "rest-api.md 4.4"),
    "rest:4.4:no-provider": Requirement("Shields are listed without a provider.", "rest-api.md 4.4"),
    "rest:4.5:body": Requirement("Providers are listed by API, with id and type.", "rest-api.md 4.5"),
    "rest:4.5:no-provider": Requirement("Providers are listed although none can be reached.", "rest-api.md 4.5"),
    "rest:4.6:body": Requirement("One provider is shown with its API, configuration and health.", "rest-api.md 4.6"),
    "rest:4.6:unknown": Requirement("An unknown provider is 404 without a cause.", "rest-api.md 4.6"),
    "rest:4.6:secrets": Requirement(
        "Secrets of providers are masked, there and in the configuration.", "rest-api.md 4.6"
    ),
    "rest:4.6:no-provider": Requirement("A provider that cannot be reached is shown all the same.", "rest-api.md 4.6"),
    "rest:4.7:body": Requirement(
        "The configuration is shown flat and below `configuration`, with defaults, secrets masked.",
        "rest-api.md 4.7; decisions.md 18",
    ),
    "rest:4.7:denied": Requirement("The configuration is not shown to who lacks the action.", "rest-api.md 4.7"),
    "rest:4.7:no-provider": Requirement("The configuration needs no provider.", "rest-api.md 4.7"),
    "rest:6.1:ready": Requirement("Where all parts are well readiness is 200.", "rest-api.md 6.1"),
    "rest:6.1:not-ready": Requirement(
        "Readiness is 503 and names each part that is ill, and no other.", "rest-api.md 6.1"
    ),
    "rest:6.1:unreachable": Requirement("A provider that cannot be reached is named by its id.", "rest-api.md 6.1"),
    "rest:6.2:alive": Requirement("Liveness is 200 whatever is ill.", "rest-api.md 6.2"),
    "rest:6.2:denied": Requirement("Probes are refused to who lacks their action.", "rest-api.md 6.2; auth.md 1"),
    "rest:6.3:body": Requirement(
        "A caller is told their id, name, and whether the id's form is looked at.", "rest-api.md 6.3"
    ),
    "rest:6.3:ignored-body": Requirement("Whatever body comes along is ignored.", "rest-api.md 6.3"),
    "rest:6.3:no-action": Requirement("No action is needed.", "rest-api.md 6.3"),
    "rest:6.3:no-token": Requirement("The token is never told.", "rest-api.md 6.3"),
    "rest:7:content-type": Requirement(
        "Metrics have the content type of the version that is asked for.", "rest-api.md 7"
    ),
    "rest:7:models": Requirement("The first scrape lists the models on offer.", "rest-api.md 7"),
    "rest:7:provider-down": Requirement(
        "A scrape while the provider is down is 200, and the models come later.", "rest-api.md 7; metrics.md details"
    ),
    "rest:8:page": Requirement("The page is HTML.", "rest-api.md 8"),
    "rest:8:reachable": Requirement(
        "All that the page names, and `docs` and `redoc`, is reachable by relative addresses.", "rest-api.md 8"
    ),
    "rest:9:declared": Requirement("Errors are declared where they are given.", "rest-api.md 9"),
    "rest:bad-input:malformed": Requirement(
        "A body that is no JSON, or no object, is refused by every operation that reads one.", "issue 3, Bad input"
    ),
    "rest:bad-input:types": Requirement("A field of a wrong type never fails the service.", "issue 3, Bad input"),
    "rest:bad-input:nul": Requirement(
        "Text with a NUL never fails the service, and is refused where it would be kept.", "issue 3, Bad input"
    ),
    "rest:bad-input:surrogates": Requirement(
        "Text with half a character never fails the service, and is refused where it would be kept.",
        "issue 3, Bad input",
    ),
    "rest:bad-input:deep": Requirement("JSON of a hundred thousand levels is refused.", "issue 3, Bad input"),
    "rest:bad-input:large": Requirement(
        "A body of ten megabytes is refused with 413, whether or not its length was told.", "issue 3, Bad input"
    ),
    "rest:bad-input:ids": Requirement("What is no id is refused with 400 or 404.", "issue 3, Bad input"),
    "rest:bad-input:foreign": Requirement(
        "A conversation of others, or of nobody, is refused, and stays.", "issue 3, Bad input"
    ),
    "rest:bad-input:parameters": Requirement("Absurd parameters never fail the service.", "issue 3, Bad input"),
    "rest:bad-input:paths": Requirement("Very long paths are refused.", "issue 3, Bad input"),
    "rest:bad-input:headers": Requirement("Absurd headers never fail the service.", "issue 3, Bad input"),
}
