#include "ops/cli/json_read.hpp"
#include "ops/cli/show_things.hpp"
#include "ops/cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct tenant_options {
    std::string tenant_id;
    std::int64_t weight = 1;
    std::string reason;
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

exit_code list_tenants(context& c, const tenant_options&)
{
    return list_things(c, target("/v1/tenants"), show_tenants);
}

exit_code show_tenant(context& c, const tenant_options& options)
{
    return show_thing(c, c.api().get(tenant_target(options)), show_tenants);
}

exit_code set_tenant(context& c, const tenant_options& options)
{
    json::object body{{"weight", options.weight}};
    if (!options.reason.empty()) body["reason"] = options.reason;
    return show_thing(c, c.api().put(tenant_target(options), body), show_tenants);
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
    set->add_option("--reason", options->reason, "Why it is changed; kept");
}

}
