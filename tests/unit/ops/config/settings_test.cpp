#include "ops/config/load.hpp"
#include "ops/config/render.hpp"

#include "ops/cli/yaml_json.hpp"
#include "storage/model/json_text.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>

using namespace rowlock;
using namespace rowlock::ops;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

struct given {
    settings_mode mode = settings_mode::serve;
    std::string file{};
    environment_variables environment{};
    flag_values flags{};
};

result<loaded_settings> load(const given& g)
{
    std::optional<config_file> file;
    if (!g.file.empty()) file = config_file{"rowlock.yaml", g.file};
    return load_settings(g.mode, file, g.environment, g.flags);
}

loaded_settings good(const given& g)
{
    auto loaded = load(g);
    if (!loaded) FAIL(loaded.error().detail);
    return *loaded;
}

error bad(const given& g)
{
    auto loaded = load(g);
    REQUIRE(loaded.has_error());
    CHECK(loaded.error().code == errc::invalid_request);
    return loaded.error();
}

std::string source_of(const loaded_settings& loaded, std::string_view name)
{
    const auto rows = settings_table();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].name == name) return std::string(to_string(loaded.sources[i]));
    }
    return "no such setting";
}

std::vector<std::string> parse_flags(std::vector<std::string> arguments, flag_values& values)
{
    CLI::App app;
    add_setting_flags(app, values);
    std::reverse(arguments.begin(), arguments.end());
    app.parse(arguments);
    return app.remaining();
}

}

TEST_CASE("every default in the table is a value that the table accepts", "[unit][settings]")
{
    for (const auto mode : {settings_mode::serve, settings_mode::dev}) {
        for (const auto& row : settings_table()) {
            INFO(row.name);
            settings s;
            CHECK(assign(s, row, default_text(row, mode)) == std::nullopt);
            CHECK_FALSE(row.meaning.empty());
        }
    }
}

TEST_CASE("every row has a name and a member of its own", "[unit][settings]")
{
    std::set<std::string> names;
    std::set<std::string> flags;
    for (const auto& row : settings_table()) {
        names.insert(std::string(row.name));
        flags.insert(flag_name(row));
        // Changing this row's value must change what this row shows, and no other row.
        settings before = good({}).values;
        settings after = before;
        for (const auto* candidate : {"true", "false", "5", "77", "5000", "2000000", "2.5", "77.5", "127.0.0.9:9", "none", "json", "debug", "PERMANENT", "off", "shop=postgresql:///shop", "process=4", "other"}) {
            settings tried = before;
            if (!assign(tried, row, candidate) && shown_value(tried, row) != shown_value(before, row)) after = tried;
        }
        INFO(row.name);
        CHECK(shown_value(after, row) != shown_value(before, row));
        for (const auto& other : settings_table()) {
            if (other.name != row.name) CHECK(shown_value(after, other) == shown_value(before, other));
        }
    }
    CHECK(names.size() == settings_table().size());
    CHECK(flags.size() == settings_table().size());
}

TEST_CASE("without anything given the defaults of the contract hold", "[unit][settings]")
{
    const auto s = good({}).values;
    CHECK(s.executor_parallelism == 20);
    CHECK(s.executor_queue_capacity == 0);
    CHECK(s.scheduler_poll_interval == 1s);
    CHECK(s.retry_default_max_attempts == 3);
    CHECK(s.retry_default_initial_delay == 60s);
    CHECK(s.retry_default_max_delay == 3600s);
    CHECK(s.retry_default_backoff_multiplier == 2.0);
    CHECK(s.graceful_timeout == 30s);
    CHECK(s.force_kill_after == 10s);
    CHECK(s.lease == 30s);
    CHECK(s.priority_age == 1s);
    CHECK(s.max_body_bytes == 32 << 20);
    CHECK(s.max_header_bytes == 64 << 10);
    CHECK(s.header_timeout == 10s);
    CHECK(s.idle_timeout == 75s);
    CHECK(s.idempotency_key_ttl == 24h);
    CHECK(s.listen == listen_address{"127.0.0.1", 7575});
    CHECK(s.auth == auth_mode::token);
    CHECK_FALSE(s.process_handler_enabled);
    CHECK(s.process_allowed_programs.empty());
    CHECK_FALSE(s.http_allow_private_addresses);
    CHECK(run_directory(s) == ".rowlock/runs");
    CHECK(defaults_of(s).retry.max_delay == 3600s);
    CHECK(s.error_queue_capacity == 10'000);
    CHECK(s.error_retention == 168h);
    CHECK(s.dead_letter_retention == 24h * 7);
    CHECK(s.history_retention == 0s);
}

TEST_CASE("what the settings say about dependencies becomes what definitions fall back on", "[unit][settings]")
{
    const auto plain = defaults_of(good({}).values).dependencies;
    CHECK(plain.timeout == 300s);
    CHECK(plain.check_cycles);
    CHECK(plain.priority_age == 1s);
    CHECK(good({}).values.dependency_check_interval == 10s);

    const auto other = defaults_of(good({.flags = {{{"DEPENDENCY_RESOLUTION_TIMEOUT_SECONDS", "30"}, {"DEPENDENCY_CYCLE_DETECTION_ENABLED", "false"}, {"PRIORITY_AGE_SECONDS", "0.5"}}}}).values).dependencies;
    CHECK(other.timeout == 30s);
    CHECK_FALSE(other.check_cycles);
    CHECK(other.priority_age == 500ms);
}

TEST_CASE("what the settings say about failures becomes what definitions fall back on", "[unit][settings]")
{
    const auto plain = defaults_of(good({}).values);
    CHECK(plain.retry.classes.transient == std::vector<std::string>{"TIMEOUT", "HEARTBEAT_LOST", "CONNECTION_FAILED", "RATE_LIMITED", "RESOURCE_EXHAUSTED"});
    CHECK(plain.retry.classes.permanent == std::vector<std::string>{"INVALID_CONFIG", "PERMISSION_DENIED", "PLAN_CANCELLED"});
    CHECK(plain.retry.classes.others == error_category::transient);
    CHECK(plain.heartbeat.interval == 30s);
    CHECK(plain.heartbeat.missed_limit == 3);

    const auto other = defaults_of(good({.flags = {{{"TRANSIENT_ERROR_CODES", "A, B"}, {"PERMANENT_ERROR_CODES", ""}, {"DEFAULT_ERROR_CATEGORY", "PERMANENT"},
                                                    {"EXECUTOR_HEARTBEAT_INTERVAL_SECONDS", "5.5"}, {"EXECUTOR_HEARTBEAT_TIMEOUT_MULTIPLIER", "2.5"}}}}).values);
    CHECK(other.retry.classes.transient == std::vector<std::string>{"A", "B"});
    CHECK(other.retry.classes.permanent.empty());
    CHECK(other.retry.classes.others == error_category::permanent);
    CHECK(other.heartbeat.interval == 5500ms);
    CHECK(other.heartbeat.missed_limit == 3);
}

TEST_CASE("dev opens what a developer needs", "[unit][settings]")
{
    const auto s = good({.mode = settings_mode::dev}).values;
    CHECK(s.auth == auth_mode::none);
    CHECK(s.process_handler_enabled);
    CHECK(s.process_allowed_programs == std::vector<std::string>{"*"});
    CHECK(s.http_allow_private_addresses);
}

TEST_CASE("flags override the environment, which overrides the file, which overrides the default", "[unit][settings]")
{
    given g;
    g.file = "lease_seconds: 11\ncores: 2\nexecutor_parallelism: 5\n";
    g.environment = {{"ROWLOCK_CORES", "3"}, {"ROWLOCK_EXECUTOR_PARALLELISM", "6"}};
    g.flags.given = {{"EXECUTOR_PARALLELISM", "7"}};
    const auto loaded = good(g);
    CHECK(loaded.values.lease == 11s);
    CHECK(loaded.values.cores == 3);
    CHECK(loaded.values.executor_parallelism == 7);
    CHECK(source_of(loaded, "LEASE_SECONDS") == "file");
    CHECK(source_of(loaded, "CORES") == "environment");
    CHECK(source_of(loaded, "EXECUTOR_PARALLELISM") == "flag");
    CHECK(source_of(loaded, "LISTEN") == "default");
}

TEST_CASE("values out of range or of another type are refused with the range and where they came from", "[unit][settings]")
{
    struct row { std::string name; std::string value; std::string message; };
    const auto r = GENERATE(values<row>({
        {"EXECUTOR_PARALLELISM", "0", "must be an integer from 1 to 100000"},
        {"EXECUTOR_PARALLELISM", "100001", "must be an integer from 1 to 100000"},
        {"EXECUTOR_PARALLELISM", "99999999999999999999", "must be an integer from 1 to 100000"},
        {"EXECUTOR_PARALLELISM", "many", "must be an integer from 1 to 100000"},
        {"EXECUTOR_PARALLELISM", "5x", "must be an integer"},
        {"EXECUTOR_PARALLELISM", " 5", "must be an integer"},
        {"EXECUTOR_QUEUE_CAPACITY", "3", "must be an integer from 10 to 10000000, or 0"},
        {"EXECUTOR_QUEUE_CAPACITY", "-1", "must be an integer from 10 to 10000000, or 0"},
        {"PRESSURE_MEMORY_HIGH_PERCENT", "0.5", "must be a number from 1 to 100, or 0"},
        {"PRESSURE_MEMORY_LOW_PERCENT", "0", "must be a number from 1 to 100"},
        {"LEASE_SECONDS", "1.9", "must be seconds, in steps of 0.001, from 2 to 300"},
        {"LEASE_SECONDS", "2.0005", "must be seconds, in steps of 0.001, from 2 to 300"},
        {"LEASE_SECONDS", "nan", "must be seconds"},
        {"LEASE_SECONDS", "inf", "must be seconds"},
        {"SCHEDULER_POLL_INTERVAL_MS", "100.5", "must be an integer from 100 to 60000"},
        {"RETRY_DEFAULT_BACKOFF_MULTIPLIER", "0.9", "must be a number from 1 to 10"},
        {"PROCESS_HANDLER_ENABLED", "yes", "must be true or false"},
        {"LISTEN", "7575", "must be ADDRESS:PORT"},
        {"LISTEN", "127.0.0.1:65536", "must be ADDRESS:PORT"},
        {"LISTEN", "::1:80", "must be ADDRESS:PORT"},
        {"LISTEN", "example.org:80", "must be ADDRESS:PORT"},
        {"AUTH", "None", "must be one of token, none"},
        {"DEFAULT_ERROR_CATEGORY", "TIMEOUT", "must be one of TRANSIENT, PERMANENT"},
        {"DEPENDENCY_RESOLUTION_TIMEOUT_SECONDS", "29", "must be seconds, in steps of 0.001, from 30 to 3600"},
        {"DEPENDENCY_CHECK_INTERVAL_SECONDS", "61", "must be seconds, in steps of 0.001, from 1 to 60"},
        {"EXECUTOR_HEARTBEAT_TIMEOUT_MULTIPLIER", "1.9", "must be a number from 2 to 10"},
        {"ERROR_QUEUE_CAPACITY", "99", "must be an integer from 100 to 10000000"},
        {"ERROR_RETENTION_HOURS", "0", "must be hours from 1 to 87600"},
        {"DEAD_LETTER_RETENTION_DAYS", "3651", "must be days from 1 to 3650"},
        {"HISTORY_RETENTION_DAYS", "-1", "must be days from 0 to 36500"},
        {"LOG_LEVEL", "loud", "must be one of trace, debug, info, warn, error"},
    }));
    const auto by_flag = bad({.flags = {{{r.name, r.value}}}});
    REQUIRE(by_flag.fields.size() == 1);
    CHECK(by_flag.fields[0].field == r.name);
    CHECK(by_flag.fields[0].value == to_text(json::value(json::string(r.value))));
    CHECK_THAT(by_flag.detail, Catch::Contains(r.name) && Catch::Contains(r.value) && Catch::Contains(r.message) && Catch::Contains("(flag --"));
    const auto by_environment = bad({.environment = {{"ROWLOCK_" + r.name, r.value}}});
    CHECK_THAT(by_environment.detail, Catch::Contains(r.message) && Catch::Contains("(environment ROWLOCK_" + r.name + ")"));
}

TEST_CASE("all errors of all sources come back at once", "[unit][settings]")
{
    given g;
    g.file = "cores: -1\nnonsense: 1\n";
    g.environment = {{"ROWLOCK_LEASE_SECONDS", "1"}};
    g.flags.given = {{"AUTH", "maybe"}};
    const auto e = bad(g);
    CHECK(e.fields.size() == 4);
    CHECK_THAT(e.detail, Catch::Contains("file rowlock.yaml, line 1") && Catch::Contains("nonsense is not a setting (file rowlock.yaml, line 2)")
                             && Catch::Contains("LEASE_SECONDS") && Catch::Contains("AUTH"));
    CHECK(std::count(e.detail.begin(), e.detail.end(), '\n') == 3);
}

TEST_CASE("a file is read with the types of YAML", "[unit][settings]")
{
    const auto s = good({.file = "# comment\nprocess_handler_enabled: true\nlease_seconds: 2.5\nexecutor_parallelism: 30\nretry_default_backoff_multiplier: 3.0\n"
                                 "process_allowed_programs: [sh, /usr/bin/env]\nlisten: \"[::1]:0\"\nlog_format: json\n"}).values;
    CHECK(s.process_handler_enabled);
    CHECK(s.lease == 2500ms);
    CHECK(s.executor_parallelism == 30);
    CHECK(s.retry_default_backoff_multiplier == 3);
    CHECK(s.process_allowed_programs == std::vector<std::string>{"sh", "/usr/bin/env"});
    CHECK(s.listen == listen_address{"::1", 0});
    CHECK(s.format == log_format::json);
    CHECK(good({.file = "# nothing but this\n"}).values.cores == 0);
}

TEST_CASE("a file that is not one map of settings is refused with its place", "[unit][settings]")
{
    struct row { std::string file; std::string message; };
    const auto r = GENERATE(values<row>({
        {"executor_paralelism: 5\n", "executor_parallelism was perhaps meant"},
        {"EXECUTOR_PARALLELISM: 5\n", "is not a setting (file rowlock.yaml, line 1)"},
        {"- a\n", "must be one YAML document"},
        {"cores: 1\n---\ncores: 2\n", "must be one YAML document"},
        {"cores: [1\n", "is not YAML: line"},
        {"cores: 1\ncores: 2\n", "is not YAML: line 2"},
        {"\n\ncores:\n  a: 1\n", "CORES has no plain value (file rowlock.yaml, line 3)"},
        {"cores:\n", "CORES has no plain value"},
        {"cores: [1]\n", "CORES has no plain value"},
        {"cores: true\n", "CORES is \"true\" (file rowlock.yaml, line 1), but must be an integer from 0 to 1024"},
        {"process_allowed_programs: [1]\n", "has no plain value"},
    }));
    INFO(r.file);
    CHECK_THAT(bad({.file = r.file}).detail, Catch::Contains(r.message));
}

TEST_CASE("an unknown variable is only warned about, and the client's and the jobs' are known", "[unit][settings]")
{
    const auto loaded = good({.environment = {{"ROWLOCK_LEASE_SECOND", "5"}, {"ROWLOCK_URL", "u"}, {"ROWLOCK_TOKEN", "t"}, {"ROWLOCK_EXECUTION_ID", "x"}, {"PATH", "p"}}});
    REQUIRE(loaded.warnings.size() == 1);
    CHECK(loaded.warnings[0] == "The environment variable ROWLOCK_LEASE_SECOND is not a setting and is ignored; ROWLOCK_LEASE_SECONDS was perhaps meant.");
    CHECK(loaded.values.lease == 30s);
}

TEST_CASE("an empty variable counts as not set", "[unit][settings]")
{
    const auto loaded = good({.environment = {{"ROWLOCK_CORES", ""}}});
    CHECK(source_of(loaded, "CORES") == "default");
}

TEST_CASE("without tokens the server stays on loopback", "[unit][settings]")
{
    const auto open = good({.flags = {{{"AUTH", "none"}}}});
    CHECK(open.values.http_allow_private_addresses);
    CHECK_FALSE(good({.environment = {{"ROWLOCK_HTTP_ALLOW_PRIVATE_ADDRESSES", "false"}}, .flags = {{{"AUTH", "none"}}}}).values.http_allow_private_addresses);
    CHECK_THAT(bad({.flags = {{{"AUTH", "none"}, {"LISTEN", "0.0.0.0:1"}}}}).detail, Catch::Contains("loopback") && Catch::Contains("0.0.0.0:1"));
    CHECK(bad({.mode = settings_mode::dev, .flags = {{{"LISTEN", "[::]:1"}}}}).fields[0].field == "AUTH");
    CHECK(good({.flags = {{{"AUTH", "none"}, {"LISTEN", "localhost:0"}}}}).values.listen.is_loopback());
    CHECK(good({.flags = {{{"AUTH", "none"}, {"LISTEN", "127.1.2.3:0"}}}}).values.listen.is_loopback());
}

TEST_CASE("the longest retry delay is not below the first", "[unit][settings]")
{
    CHECK(bad({.flags = {{{"RETRY_DEFAULT_MAX_DELAY_SECONDS", "60"}, {"RETRY_DEFAULT_INITIAL_DELAY_SECONDS", "61"}}}}).fields[0].field == "RETRY_DEFAULT_MAX_DELAY_SECONDS");
}

TEST_CASE("what is watched for pressure has bounds in order, and actions that there are", "[unit][settings]")
{
    const auto s = good({}).values;
    CHECK(s.pressure_actions == std::vector<std::string>{"QUEUE_ALL", "REJECT_LOW_PRIORITY", "PAUSE_SCHEDULING"});
    CHECK(s.pressure_cpu_high == 0);
    CHECK(s.pressure_memory_high == 97);
    CHECK(good({.flags = {{{"PRESSURE_ACTIONS", ""}}}}).values.pressure_actions.empty());
    CHECK(good({.flags = {{{"PRESSURE_DISK_HIGH_PERCENT", "0"}, {"PRESSURE_DISK_LOW_PERCENT", "100"}}}}).values.pressure_disk_high == 0);
    CHECK(good({.flags = {{{"EXECUTOR_QUEUE_CAPACITY", "10"}}}}).values.executor_queue_capacity == 10);
    const auto e = bad({.flags = {{{"PRESSURE_ACTIONS", "QUEUE_ALL,SHOUT"}, {"PRESSURE_DISK_HIGH_PERCENT", "60"}, {"PRESSURE_QUEUE_LOW_PERCENT", "91"}}}});
    REQUIRE(e.fields.size() == 3);
    CHECK_THAT(e.detail, Catch::Contains("PRESSURE_ACTIONS has \"SHOUT\", but must be a list of QUEUE_ALL, REJECT_LOW_PRIORITY and PAUSE_SCHEDULING")
                             && Catch::Contains("PRESSURE_DISK_LOW_PERCENT is 95, but must not be above PRESSURE_DISK_HIGH_PERCENT, 60")
                             && Catch::Contains("PRESSURE_QUEUE_LOW_PERCENT is 91"));
}

TEST_CASE("every setting is a flag", "[unit][settings][flags]")
{
    flag_values values;
    parse_flags({"--executor-parallelism", "50", "--listen=127.0.0.1:0", "--process-handler-enabled", "--http-allow-private-addresses", "false", "--auth", "none"}, values);
    CHECK(values.given == std::map<std::string, std::string, std::less<>>{{"AUTH", "none"}, {"EXECUTOR_PARALLELISM", "50"}, {"HTTP_ALLOW_PRIVATE_ADDRESSES", "false"},
                                                                         {"LISTEN", "127.0.0.1:0"}, {"PROCESS_HANDLER_ENABLED", "true"}});
    flag_values none;
    parse_flags({}, none);
    CHECK(none.given.empty());
}

TEST_CASE("a password is masked in every form that PostgreSQL takes", "[unit][settings]")
{
    struct row { std::string given; std::string shown; };
    const auto r = GENERATE(values<row>({
        {"postgresql://u:secret@h:5432/d", "postgresql://u:***@h:5432/d"},
        {"postgresql://u:se@cret@h/d", "postgresql://u:***@h/d"},
        {"postgres://u@h/d", "postgres://u@h/d"},
        {"postgresql:///d?host=/tmp&password=secret&user=u", "postgresql:///d?host=/tmp&password=***&user=u"},
        {"host=h password=secret dbname=d", "host=h password=*** dbname=d"},
        {"host=h password = 'se cr\\'et' dbname=d", "host=h password = *** dbname=d"},
        {"password=a\\ b user=u sslpassword=c", "password=*** user=u sslpassword=***"},
        {"host=h passfile=/x", "host=h passfile=/x"},
        {"password=", "password=***"},
        {"", ""},
    }));
    CHECK(mask_password(r.given) == r.shown);
}

TEST_CASE("rowlock config shows every setting and where it came from, in all formats", "[unit][settings]")
{
    const auto loaded = good({.environment = {{"ROWLOCK_DATABASE", "postgresql://u:secret@h/d"}}, .flags = {{{"LEASE_SECONDS", "2.5"}}}});
    const auto text = render_config(loaded, output_format::json);
    CHECK_THAT(text, !Catch::Contains("secret"));
    const auto parsed = parse_json(text);
    REQUIRE(parsed.has_value());
    const auto& all = parsed->as_array();
    REQUIRE(all.size() == settings_table().size());
    CHECK(to_text(all[0]) == R"({"name":"DATABASE","value":"postgresql://u:***@h/d","source":"environment","type":"string","default":"","range":null,)"
                             R"("meaning":"URL of the PostgreSQL database; dev runs one of its own"})");
    const auto find = [&](std::string_view name) {
        for (const auto& one : all) {
            if (one.at("name").as_string() == name) return to_text(one);
        }
        return std::string();
    };
    CHECK_THAT(find("LEASE_SECONDS"), Catch::Contains(R"("value":2.5,"source":"flag","type":"number","default":30,"range":"2..300")"));
    CHECK_THAT(find("EXECUTOR_PARALLELISM"), Catch::Contains(R"("value":20,"source":"default","type":"integer","default":20,"range":"1..100000")"));
    CHECK_THAT(find("AUTH"), Catch::Contains(R"("value":"token","source":"default","type":"string","default":"token","range":"token|none")"));
    CHECK_THAT(find("PROCESS_HANDLER_ENABLED"), Catch::Contains(R"("value":false,"source":"default","type":"boolean")"));

    const auto yaml = parse_yaml(render_config(loaded, output_format::yaml));
    REQUIRE(yaml.has_value());
    CHECK(yaml->front().value == *parsed);
    const auto human = render_config(loaded, output_format::human);
    CHECK_THAT(human, Catch::Contains("EXECUTOR_PARALLELISM") && Catch::Contains("postgresql://u:***@h/d") && !Catch::Contains("secret"));
}

TEST_CASE("errors about a database URL do not give its password away", "[unit][settings]")
{
    const auto e = bad({.environment = {{"ROWLOCK_DATABASE", std::string("postgresql://u:secret@h/d\0", 26)}}});
    CHECK_THAT(e.detail, !Catch::Contains("secret"));
    CHECK_THAT(e.fields[0].value, !Catch::Contains("secret"));
}

TEST_CASE("connections for jobs come from every source, by name, and the later source wins for each", "[unit][settings][sql]")
{
    flag_values flags;
    CHECK(parse_flags({"--sql-connection", "flagged=postgresql://f@h/d", "--sql-connection", "both=host=h dbname=d password='f=g'"}, flags).empty());
    const auto loaded = good({.file = "sql_connections:\n  shop: postgresql://u:secret@h/d\n  both: postgresql://file@h/d\n  a-b.c: postgresql:///d\n",
                              .environment = {{"ROWLOCK_SQL_CONNECTION_DATA_MART", "postgresql://e:secret@h/d"}, {"ROWLOCK_SQL_CONNECTION_BOTH", "postgresql://env@h/d"},
                                              {"ROWLOCK_SQL_CONNECTION_EMPTY", ""}},
                              .flags = flags});
    const named_urls expected{{"shop", "postgresql://u:secret@h/d"}, {"both", "host=h dbname=d password='f=g'"}, {"a-b.c", "postgresql:///d"},
                              {"data_mart", "postgresql://e:secret@h/d"}, {"flagged", "postgresql://f@h/d"}};
    CHECK(loaded.values.sql_connections == expected);
    CHECK(source_of(loaded, "SQL_CONNECTIONS") == "flag");
    CHECK(loaded.warnings.empty());
    for (const auto format : {output_format::json, output_format::yaml, output_format::human}) {
        const auto shown = render_config(loaded, format);
        CHECK_THAT(shown, Catch::Contains("data_mart") && Catch::Contains("postgresql://u:***@h/d") && !Catch::Contains("secret") && !Catch::Contains("f=g"));
    }
}

TEST_CASE("what is wrong with a connection for jobs is said without its password", "[unit][settings][sql]")
{
    struct row { const char* why; given g; };
    const auto r = GENERATE(values<row>({
        {"no URL", {.environment = {{"ROWLOCK_SQL_CONNECTION_SHOP", "u:secret@h/d"}}}},
        {"a port that is none", {.environment = {{"ROWLOCK_SQL_CONNECTION_SHOP", "postgresql://u:secret@h/d?no_such=secret"}}}},
        {"a name that is none", {.environment = {{"ROWLOCK_SQL_CONNECTION_A B", "postgresql://u:secret@h/d"}}}},
        {"no name", {.flags = {.entries = {{"SQL_CONNECTIONS", {"postgresql://u:secret@h/d"}}}}}},
        {"a file with a list", {.file = "sql_connections: [\"postgresql://u:secret@h/d\"]\n"}},
        {"a file with something else", {.file = "sql_connections: {shop: {url: \"postgresql://u:secret@h/d\"}}\n"}},
    }));
    INFO(r.why);
    const auto e = bad(r.g);
    CHECK_THAT(e.detail, Catch::Contains("SQL_CONNECTIONS") && !Catch::Contains("secret"));
    for (const auto& f : e.fields) CHECK_THAT(f.value, !Catch::Contains("secret"));
}

TEST_CASE("jobs do not get Rowlock's own user of Rowlock's own database", "[unit][settings][sql]")
{
    const auto e = bad({.environment = {{"ROWLOCK_DATABASE", "postgresql://rowlock:secret@h/d"}, {"ROWLOCK_SQL_CONNECTION_SHOP", "host=h dbname=d user=rowlock password=secret"}}});
    CHECK(e.fields[0].field == "SQL_CONNECTIONS");
    CHECK_THAT(e.detail, Catch::Contains("Rowlock's own database") && !Catch::Contains("secret"));
    good({.environment = {{"ROWLOCK_DATABASE", "postgresql://rowlock@h/d"}, {"ROWLOCK_SQL_CONNECTION_SHOP", "postgresql://clerk@h/d"}}});
}

TEST_CASE("a file that cannot be read is an error that names it", "[unit][settings]")
{
    const auto missing = read_config_file("/nonexistent/rowlock.yaml");
    REQUIRE(missing.has_error());
    CHECK_THAT(missing.error().detail, Catch::Contains("/nonexistent/rowlock.yaml cannot be read"));
    CHECK(read_config_file(std::filesystem::temp_directory_path()).has_error());

    const auto path = std::filesystem::temp_directory_path() / ("rowlock_settings_" + random_uuid().str() + ".yaml");
    std::ofstream(path) << "cores: 2\n";
    const auto loaded = load_settings(settings_mode::serve, path, flag_values{});
    std::filesystem::remove(path);
    REQUIRE(loaded.has_value());
    CHECK(loaded->values.cores == 2);
}
