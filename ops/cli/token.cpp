#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"
#include "ops/first_line.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/json_text.hpp"
#include "storage/model/principal.hpp"
#include "storage/token_store.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdlib>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t most_tokens = 10'000;
constexpr const char* all_tenants = "*";

struct token_options {
    std::string role;
    std::string tenant;
    std::string name;
    std::string id;
    std::string database;
};

// Who the audit shall name for what is done on the database itself.
std::string author()
{
    const char* user = std::getenv("USER");
    return fmt::format("cli:{}", user && *user ? user : "unknown");
}

// Does `work` with a session of --database.
template <class Work>
exit_code on_database(context& c, const token_options& options, Work work)
{
    try {
        storage::session session({.url = options.database});
        return work(session);
    } catch (const pqxx::broken_connection& e) {
        return c.fail({exit_code::protocol, "The database cannot be reached", first_line(e.what())});
    } catch (const pqxx::undefined_table&) {
        return c.fail(bad_input("The database has no tables of Rowlock yet: run `rowlock migrate --database URL`"));
    } catch (const pqxx::insufficient_privilege& e) {
        return c.fail({exit_code::security, "The database refuses this", first_line(e.what())});
    } catch (const std::exception& e) {
        return c.fail({exit_code::protocol, "The database reports an error", first_line(e.what())});
    }
}

exit_code show_created(context& c, const token_options& options, const std::string& id, const std::string& token, const std::string& tenant_id)
{
    if (id.empty() || token.empty()) return c.fail(odd_reply("a token was made, but not shown"));
    if (!c.screen.human()) {
        c.screen.document(json::object{{"token_id", id}, {"token", token}});
        return exit_code::success;
    }
    const std::string tenant = tenant_id == all_tenants ? "all tenants" : "tenant " + tenant_id;
    c.screen.notice(fmt::format("token {} of role {} for {}; it is shown only now:", id, options.role, tenant));
    c.screen.line(token);
    return exit_code::success;
}

exit_code create_token(context& c, const token_options& options)
{
    const auto granted = parse_role(options.role);
    if (!granted) return c.fail(bad_input(fmt::format("--role: {} is none of viewer, operator, editor, approver, admin, worker", options.role)));
    if (!options.tenant.empty() && options.tenant != all_tenants && !is_slug(options.tenant)) {
        return c.fail(bad_input(fmt::format("--tenant: {} is not a tenant id ([a-z0-9][a-z0-9._-]*)", options.tenant)));
    }
    if (!options.database.empty()) {
        const std::string tenant = options.tenant.empty() ? all_tenants : options.tenant;
        return on_database(c, options, [&](storage::session& session) {
            const storage::new_token made = storage::create_token(session, *granted, tenant, options.name, author());
            return show_created(c, options, made.token_id, made.token, tenant);
        });
    }
    json::object body{{"role", options.role}, {"name", options.name}};
    if (!options.tenant.empty()) body["tenant_id"] = options.tenant;
    const auto made = c.api().post(target("/v1/tokens"), body);
    if (!made) return c.fail(made.error());
    return show_created(c, options, text_at(made->body, "token_id"), text_at(made->body, "token"), text_at(made->body, "tenant_id"));
}

exit_code show_tokens(context& c, const json::value& tokens)
{
    if (!c.screen.human()) {
        c.screen.document(tokens);
        return exit_code::success;
    }
    table shown({{"ID"}, {"ROLE"}, {"TENANT", false, true}, {"NAME", false, true}, {"CREATED (UTC)", false, false, true}, {"REVOKED (UTC)", false, false, true}});
    for (const json::value& one : *array_at(tokens, "items")) {
        shown.add({{text_at(one, "token_id")}, {text_at(one, "role")}, {text_at(one, "tenant_id")}, {text_at(one, "name")},
                   {human_time(text_at(one, "created_time"))}, {human_time(text_at(one, "revoked_time"))}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

exit_code list_tokens(context& c, const token_options& options)
{
    if (!options.database.empty()) {
        return on_database(c, options, [&](storage::session& session) {
            json::array items;
            for (const std::string& text : storage::list_tokens_json(session)) {
                auto one = parse_json(text);
                if (!one) return c.fail(odd_reply("the database lists a token that is not JSON"));
                items.push_back(std::move(*one));
            }
            return show_tokens(c, json::object{{"items", std::move(items)}, {"next_cursor", nullptr}});
        });
    }
    const auto tokens = c.api().list(target("/v1/tokens"), most_tokens);
    return tokens ? show_tokens(c, *tokens) : c.fail(tokens.error());
}

exit_code show_revoked(context& c, const token_options& options)
{
    if (c.screen.human()) c.screen.line(fmt::format("{} revoked", options.id));
    else c.screen.document(json::object{{"token_id", options.id}, {"revoked", true}});
    return exit_code::success;
}

exit_code revoke_token(context& c, const token_options& options)
{
    if (!options.database.empty()) {
        const refusal unknown{exit_code::not_found, fmt::format("There is no valid token {}", options.id)};
        if (!uuid::parse(options.id)) return c.fail(unknown);
        return on_database(c, options, [&](storage::session& session) {
            return storage::revoke_token(session, options.id, author()) ? show_revoked(c, options) : c.fail(unknown);
        });
    }
    const auto revoked = c.api().remove(target("/v1/tokens").segment(options.id));
    return revoked ? show_revoked(c, options) : c.fail(revoked.error());
}

}

void add_token(CLI::App& app, context& c)
{
    CLI::App* token = app.add_subcommand("token", "Bearer tokens: create, list, revoke");
    token->group("Operating");
    token->require_subcommand(1);
    token->footer("Examples:\n"
                  "  rowlock token create --role admin --database postgresql:///rowlock\n"
                  "  rowlock token create --role operator --tenant acme --name ci\n"
                  "  rowlock token revoke TOKEN_ID");
    const auto options = std::make_shared<token_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const token_options&)) {
        CLI::App* verb = token->add_subcommand(name, what);
        verb->add_option("--database", options->database, "Work on the database itself, without a server: postgresql://...");
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        return verb;
    };
    CLI::App* create = add("create", "Make a token; stdout carries it, once", create_token);
    create->add_option("--role", options->role, "viewer, operator, editor, approver, admin or worker")->required();
    create->add_option("--tenant", options->tenant, "The one tenant it is for, or '*' for all; without: your own, with --database all");
    create->add_option("--name", options->name, "What it is for; shown in lists and in the audit");
    create->footer("Examples:\n  rowlock token create --role viewer --tenant acme --name dashboard\n  export ROWLOCK_TOKEN=$(rowlock token create --role admin --database URL)");
    add("list", "All tokens, without their secrets", list_tokens)->footer("Example:\n  rowlock token list");
    CLI::App* revoke = add("revoke", "Make a token invalid", revoke_token);
    revoke->add_option("TOKEN_ID", options->id, "As `token list` shows it")->required();
    revoke->footer("Example:\n  rowlock token revoke 0190b5a4-2f3c-4d1e-8a77-b16f3a3f9f10");
}

}
