#include "ops/server_verbs.hpp"

#include "ops/config/load.hpp"
#include "ops/config/render.hpp"
#include "ops/dev_postgres.hpp"
#include "ops/logging.hpp"
#include "ops/serve.hpp"
#include "storage/migrator.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <memory>
#include <spdlog/spdlog.h>

namespace rowlock::ops {

namespace {

struct server_flags {
    std::string config_file;
    flag_values flags;
    bool dry_run = false;
};

CLI::App* add_server_verb(CLI::App& app, const char* name, const char* what, const std::shared_ptr<server_flags>& options)
{
    auto* verb = app.add_subcommand(name, what);
    verb->group(server_group);
    verb->add_option("--config", options->config_file, "YAML file with settings, in lower case");
    add_setting_flags(*verb, options->flags);
    return verb;
}

refusal refusal_of(const error& e)
{
    return {e.code == errc::invalid_request ? exit_code::configuration : exit_code::protocol, e.detail, {}, {}};
}

// The settings in force, or nothing and an exit code.
std::optional<loaded_settings> load(context& c, settings_mode mode, const server_flags& options, exit_code& code)
{
    std::optional<std::filesystem::path> file;
    if (!options.config_file.empty()) file = options.config_file;
    auto loaded = load_settings(mode, file, options.flags);
    if (!loaded) {
        code = c.fail({exit_code::configuration, "The settings are not valid", loaded.error().fields.empty() ? loaded.error().detail : std::string(), loaded.error().fields});
        return std::nullopt;
    }
    for (const auto& warning : loaded->warnings) c.screen.notice(warning);
    return std::move(*loaded);
}

void report(context& c, const storage::migration_report& done, bool dry_run)
{
    if (done.applied.empty()) {
        c.screen.notice(fmt::format("the database is up to date (version {})", done.found));
        return;
    }
    for (const auto& name : done.applied) c.screen.line(fmt::format("{} {}", dry_run ? "would apply" : "applied", name));
}

exit_code serve(context& c, const server_flags& options)
{
    exit_code code{};
    const auto loaded = load(c, settings_mode::serve, options, code);
    if (!loaded) return code;
    const settings& s = loaded->values;
    if (s.database.empty()) return c.fail(bad_input("--database: say which PostgreSQL to use, as in --database postgresql://user@host/name"));
    block_stop_signals();
    set_up_logging(s.level, s.format);
    if (const auto migrated = storage::migrate(s.database); !migrated) return c.fail(refusal_of(migrated.error()));
    return run_server(s, s.database, {});
}

// Written whole or not at all.
void write_file(const std::filesystem::path& path, const std::string& text)
{
    const auto fresh = path.string() + ".tmp";
    std::ofstream(fresh) << text << '\n';
    std::filesystem::rename(fresh, path);
}

exit_code dev(context& c, const server_flags& options)
{
    exit_code code{};
    const auto loaded = load(c, settings_mode::dev, options, code);
    if (!loaded) return code;
    settings s = loaded->values;
    block_stop_signals();
    set_up_logging(s.level, s.format);
    c.screen.notice(fmt::format("starting a private PostgreSQL in {}", s.data));
    auto database = dev_postgres::start({.data_dir = s.data, .work_database = true});
    if (!database) return c.fail(refusal_of(database.error()));
    // For sql jobs without any configuration; one of the operator's with this name goes first.
    s.sql_connections.try_emplace("dev", database->work_url());
    if (const auto migrated = storage::migrate(database->url()); !migrated) return c.fail(refusal_of(migrated.error()));
    const auto address_file = std::filesystem::path(s.data) / "address";
    const auto ended = run_server(s, database->url(), {&*database, [&](const std::string& address) { write_file(address_file, address); }});
    std::error_code ignored;
    std::filesystem::remove(address_file, ignored);
    database->stop();
    return ended;
}

exit_code migrate(context& c, const server_flags& options)
{
    exit_code code{};
    const auto loaded = load(c, settings_mode::serve, options, code);
    if (!loaded) return code;
    if (loaded->values.database.empty()) return c.fail(bad_input("--database: say which PostgreSQL to migrate, as in --database postgresql://user@host/name"));
    const auto done = storage::migrate(loaded->values.database, options.dry_run);
    if (!done) return c.fail(refusal_of(done.error()));
    report(c, *done, options.dry_run);
    return exit_code::success;
}

exit_code config(context& c, const server_flags& options)
{
    exit_code code{};
    const auto loaded = load(c, settings_mode::serve, options, code);
    if (!loaded) return code;
    c.screen.raw(render_config(*loaded, c.screen.format(), c.screen.style()));
    return exit_code::success;
}

}

server_verbs all_server_verbs()
{
    server_verbs verbs;
    verbs.dev = [](CLI::App& app, context& c) {
        const auto options = std::make_shared<server_flags>();
        auto* verb = add_server_verb(app, "dev", "A private PostgreSQL, made on first use, and a server, until Ctrl-C", options);
        verb->footer("Examples:\n  rowlock dev\n  rowlock dev --data ~/rowlock --listen 127.0.0.1:0");
        verb->callback([&c, options] { c.chosen = [&c, options] { return dev(c, *options); }; });
    };
    verbs.serve = [](CLI::App& app, context& c) {
        const auto options = std::make_shared<server_flags>();
        auto* verb = add_server_verb(app, "serve", "A server on a PostgreSQL 15 to 17 of yours", options);
        verb->footer("Examples:\n  rowlock serve --database postgresql://rowlock@db.example/rowlock --listen 0.0.0.0:7575\n  rowlock serve --config /etc/rowlock.yaml\n"
                     "A first token: rowlock token create --database URL --role admin");
        verb->callback([&c, options] { c.chosen = [&c, options] { return serve(c, *options); }; });
    };
    verbs.migrate = [](CLI::App& app, context& c) {
        const auto options = std::make_shared<server_flags>();
        auto* verb = add_server_verb(app, "migrate", "Brings a database to the version of this program", options);
        verb->add_flag("--dry-run", options->dry_run, "Only says what would be applied");
        verb->footer("Examples:\n  rowlock migrate --database postgresql://owner@db.example/rowlock --dry-run");
        verb->callback([&c, options] { c.chosen = [&c, options] { return migrate(c, *options); }; });
    };
    verbs.config = [](CLI::App& app, context& c) {
        const auto options = std::make_shared<server_flags>();
        auto* verb = add_server_verb(app, "config", "Every setting, its value, and where that came from", options);
        verb->footer("Examples:\n  rowlock config\n  ROWLOCK_LEASE_SECONDS=10 rowlock config --format json");
        verb->callback([&c, options] { c.chosen = [&c, options] { return config(c, *options); }; });
    };
    return verbs;
}

}
