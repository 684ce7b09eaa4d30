#include "api/read_answers.hpp"
#include "api/routes.hpp"
#include "api/submission_body.hpp"
#include "storage/model/json_fields.hpp"
#include "storage/token_store.hpp"

#include <fmt/format.h>

namespace rowlock::api {

namespace {

using texts = result<std::vector<std::string>>;

constexpr std::array<std::string_view, 6> roles{"viewer", "operator", "editor", "approver", "admin", "worker"};
constexpr std::string_view all_tenants = "*";

// An administrator who is bound to a tenant sees and makes the tokens of that tenant alone.
bool may_see(const principal& caller, std::string_view tenant_id)
{
    return caller.all_tenants || tenant_id == caller.tenant_id;
}

std::string member(const std::string& object_text, std::string_view name)
{
    const auto value = parse_json(object_text);
    const auto* object = value ? value->if_object() : nullptr;
    const auto* found = object ? object->if_contains(name) : nullptr;
    const auto* text = found ? found->if_string() : nullptr;
    return text ? std::string(text->data(), text->size()) : std::string();
}

runtime::awaitable<texts> visible_tokens(request_context& rq)
{
    auto items = co_await rq.app.instance.db().read([](storage::session& s) -> texts { return storage::list_tokens_json(s); });
    if (items && !rq.caller.all_tenants) std::erase_if(*items, [&](const std::string& item) { return !may_see(rq.caller, member(item, "tenant_id")); });
    co_return items;
}

}

// GET /v1/tokens: 200, 422. Without secrets: nobody has them.
runtime::awaitable<response> list_tokens(request_context& rq)
{
    query_reader query(rq.rq.query());
    const auto window = query.window();
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto items = co_await visible_tokens(rq);
    if (!items) co_return rq.refuse(items.error());
    auto answer = rq.reply(200);
    append_page(answer.body, *items, window);
    co_return answer;
}

// POST /v1/tokens: 201 with the token, which is shown this once; 400, 403, 422.
runtime::awaitable<response> create_token(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const auto body = rq.body();
    if (!body) co_return rq.refuse(body.error());
    field_errors errors;
    boost::json::object accepted;
    json_fields fields(**body, "", errors, accepted);
    const auto role_name = fields.choice("role", roles);
    if (!fields.has("role")) fields.require("role");
    const auto tenant = fields.find("tenant_id");
    const auto* tenant_text = tenant ? tenant.value->if_string() : nullptr;
    std::string tenant_id = tenant_text ? std::string(tenant_text->data(), tenant_text->size()) : rq.caller.tenant_id;
    if (tenant && (!tenant_text || (tenant_id != all_tenants && !is_slug(tenant_id)))) fields.refuse(tenant, "must be a tenant id, or \"*\" for all tenants");
    const std::string name = fields.text("name", {0, 128}).value_or("");
    fields.refuse_rest();
    refuse_nul(**body, rq.rq.body(), errors);
    if (!errors.empty()) co_return rq.refuse(std::move(errors).take("The token"));
    if (!may_see(rq.caller, tenant_id)) {
        co_return rq.refuse({errc::forbidden, fmt::format("Your token is bound to the tenant {}: it makes tokens for that tenant alone.", rq.caller.tenant_id)});
    }
    const auto granted = *parse_role(*role_name);
    const std::string author = rq.caller.name;
    const auto made = co_await rq.app.instance.db().write([granted, tenant_id, name, author](storage::session& s) -> result<storage::new_token> {
        return storage::create_token(s, granted, tenant_id, name, author);
    });
    if (!made) co_return rq.refuse(made.error());
    auto answer = rq.reply(201);
    answer.add_header("Cache-Control", "no-store");
    answer.body.append("{\"token_id\":\"").append(made->token_id).append("\",\"token\":\"").append(made->token).append("\",\"role\":\"").append(to_string(granted));
    answer.body.append("\",\"tenant_id\":");
    append_string(answer.body, tenant_id);
    answer.body.append(",\"name\":");
    append_string(answer.body, name);
    answer.body.push_back('}');
    co_return answer;
}

// DELETE /v1/tokens/{token_id}: 204, 404. The token ends within a second on every instance.
runtime::awaitable<response> revoke_token(request_context& rq)
{
    query_reader query(rq.rq.query());
    if (auto refused = query.finish(); !refused) co_return rq.refuse(refused.error());
    const std::string token_id(rq.path["token_id"]);
    const error missing = not_found(fmt::format("There is no valid token {}.", token_id));
    if (!uuid::parse(token_id)) co_return rq.refuse(missing);
    if (!rq.caller.all_tenants) {
        const auto visible = co_await visible_tokens(rq);
        if (!visible) co_return rq.refuse(visible.error());
        const auto wanted = uuid::parse(token_id);
        bool seen = false;
        for (const auto& item : *visible) seen = seen || uuid::parse(member(item, "token_id")) == wanted;
        if (!seen) co_return rq.refuse(missing);
    }
    const std::string author = rq.caller.name;
    const auto revoked = co_await rq.app.instance.db().write([token_id, author](storage::session& s) -> result<bool> { return storage::revoke_token(s, token_id, author); });
    if (!revoked) co_return rq.refuse(revoked.error());
    if (!*revoked) co_return rq.refuse(missing);
    co_return rq.reply(204);
}

}
