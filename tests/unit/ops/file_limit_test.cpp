#include "ops/file_limit.hpp"

#include <catch2/catch.hpp>

using rowlock::ops::connections_within;

TEST_CASE("connections leave files for sessions and jobs, and no more are taken than the process can open", "[unit][ops]")
{
    struct row {
        const char* why;
        int max_connections;
        int parallelism;
        std::uint64_t files;
        std::size_t expected;
    };
    const auto r = GENERATE(values<row>({
        {"plenty of files: the setting", 10'000, 20, 1'048'576, 10'000},
        {"the usual 1024: what sessions and jobs leave", 10'000, 20, 1024, 1024 - 128 - 4 - 160},
        {"a great many jobs take half at most", 10'000, 100'000, 20'000, 10'000},
        {"hardly any files: at least one connection", 10'000, 20, 1, 1},
        {"fewer are wanted", 8, 20, 1024, 8},
    }));
    INFO(r.why);
    rowlock::ops::settings s;
    s.max_connections = r.max_connections;
    s.executor_parallelism = r.parallelism;
    s.database_sessions = 4;
    CHECK(connections_within(s, r.files) == r.expected);
}
