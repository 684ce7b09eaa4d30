#include "ops/cli/json_read.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t most_tenants = 100'000;

struct tenant_options {
    std::string tenant_id;
    std::int64_t weight = 1;
};

target tenant_target(const tenant_options& options)
{
    return target("/v1/tenants").segment(options.tenant_id);
}

exit_code show_tenants(context& c, const json::array& tenants)
{
    table shown({{"TENANT", false, true}, {"WEIGHT", true}, {"CREATED"}});
    for (const json::value& one : tenants) shown.add({{text_at(one, "tenant_id")}, {text_at(one, "weight")}, {text_at(one, "created_time")}});
    c.screen.show(shown);
    return exit_code::success;
}

exit_code show_one(context& c, const json::value& tenant)
{
    if (c.screen.human()) return show_tenants(c, json::array{tenant});
    c.screen.document(tenant);
    return exit_code::success;
}

exit_code list_tenants(context& c, const tenant_options&)
{
    const auto found = c.api().list(target("/v1/tenants"), most_tenants);
    if (!found) return c.fail(found.error());
    if (c.screen.human()) return show_tenants(c, *array_at(*found, "items"));
    c.screen.document(*found);
    return exit_code::success;
}

exit_code show_tenant(context& c, const tenant_options& options)
{
    const auto found = c.api().get(tenant_target(options));
    return found ? show_one(c, found->body) : c.fail(found.error());
}

exit_code set_tenant(context& c, const tenant_options& options)
{
    const auto put = c.api().put(tenant_target(options), json::object{{"weight", options.weight}});
    return put ? show_one(c, put->body) : c.fail(put.error());
}

}

void add_tenant(CLI::App& app, context& c)
{
    CLI::App* tenant = app.add_subcommand("tenant", "Tenants, and their shares of what runs: list, show, set");
    tenant->group("Operating");
    tenant->require_subcommand(1);
    tenant->footer("Tenants that have work waiting share what an instance can run by their weights; see FAIRNESS in `rowlock config`.\n"
                   "Examples:\n  rowlock tenant list\n  rowlock tenant set acme --weight 3");
    const auto options = std::make_shared<tenant_options>();
    const auto add = [&](const char* name, const char* what, exit_code (*action)(context&, const tenant_options&), const char* example) {
        CLI::App* verb = tenant->add_subcommand(name, what);
        verb->footer(std::string{"Example:\n  rowlock tenant "} + example);
        verb->callback([&c, options, action] { c.chosen = [&c, options, action] { return action(c, *options); }; });
        return verb;
    };
    add("list", "Every tenant", list_tenants, "list --format json");
    add("show", "One tenant", show_tenant, "show acme")->add_option("TENANT", options->tenant_id, "Its id")->required();
    CLI::App* set = add("set", "Set a tenant's share; a tenant that is new is made", set_tenant, "set acme --weight 3");
    set->add_option("TENANT", options->tenant_id, "Its id")->required();
    set->add_option("--weight", options->weight, "Its share beside those of others, 1 to 1000")->required();
}

}
