#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <filesystem>

using namespace rowlock::test;
namespace json = boost::json;

TEST_CASE("dev makes its database on first use, keeps it over a clean stop and over kill -9, and goes on at once", "[e2e][dev]")
{
    const scratch_folder folder;
    const auto data = (folder.path() / "data").string();
    const auto gate = (folder.path() / "gate").string();
    std::string done;
    std::string waiting;
    {
        server_process dev({"dev", "--data", data});
        CHECK(text_of_file(data + "/address").find(dev.address()) != std::string::npos);
        CHECK(text_of_file(data + "/database_url").find("postgres") == 0);
        // Without any setting, programs may run.
        dev.define("kept", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "echo kept"}}});
        const auto end = dev.run("kept");
        CHECK(end.at("status") == "COMPLETED");
        done = text_at(end, "/execution_id");
        CHECK(dev.terminate() == 0);
        CHECK_FALSE(std::filesystem::exists(data + "/address"));
    }
    {
        server_process dev({"dev", "--data", data});
        CHECK(dev.status_of(done) == "COMPLETED");
        CHECK(dev.get("/v1/executions/" + done + "/log").body == "kept\n");

        // Another one on the same folder is refused in one message, and harms nothing.
        const auto refused = run_rowlock({"dev", "--data", data, "--listen", "127.0.0.1:0"});
        INFO(refused.err);
        CHECK(refused.code == 2);
        CHECK(refused.err.find(data) != std::string::npos);
        CHECK(dev.get("/readyz").status == 200);

        dev.define("broken-off", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "while ! test -e " + gate + "; do sleep 0.05; done"}}},
                   {{"retry_policy", {{"max_attempts", 3}}}});
        waiting = dev.submit("broken-off");
        dev.await_status(waiting, "RUNNING");
        dev.kill_hard();
    }
    write_file(gate, "open");
    const auto started = std::chrono::steady_clock::now();
    server_process dev({"dev", "--data", data});
    const auto end = dev.ended(waiting);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 2);
    CHECK(dev.execution(waiting).at_pointer("/result/error_code") == "LEASE_LOST");
    // Not after the lease, which is 30 s: nobody else can be on this database.
    CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(25));
    const auto doctor = run_rowlock({"doctor", "--url", dev.url()});
    INFO(doctor.out << doctor.err);
    CHECK(doctor.code == 0);
    CHECK(dev.terminate() == 0);
}

TEST_CASE("dev refuses a port that is taken, with 2, and its folder can be used afterwards", "[e2e][dev]")
{
    const scratch_folder folder;
    const auto data = (folder.path() / "data").string();
    const auto refused = run_rowlock({"dev", "--data", data, "--listen", open_server().address()});
    INFO(refused.err);
    CHECK(refused.code == 2);
    CHECK(refused.err.find(open_server().address()) != std::string::npos);
    // A start that broke off leaves files behind that are not whole.
    write_file(folder.path() / "data" / "address", "127.0.0.1:1");
    server_process dev({"dev", "--data", data});
    CHECK(dev.get("/readyz").status == 200);
    CHECK(dev.terminate() == 0);
}
