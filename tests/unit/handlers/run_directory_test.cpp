#include "runtime/handlers/run_directory.hpp"

#include "tests/unit/handlers/recorded_attempt.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <sys/file.h>
#include <sys/stat.h>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;
namespace fs = std::filesystem;

TEST_CASE("an artifact is hashed, recorded and made read-only", "[unit][process]")
{
    recorded_attempt a{.handler = shell("cd $ROWLOCK_RUN_DIR; mkdir d; printf abc >d/a.txt; echo '{\"artifact\": \"./d/a.txt\"}' >&3")};
    CHECK(a.perform().status == execution_status::completed);
    REQUIRE(a.artifacts.size() == 1);
    CHECK(a.artifacts[0].name == "d/a.txt");
    CHECK(a.artifacts[0].sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(a.artifacts[0].size_bytes == 3);
    struct stat about {};
    REQUIRE(::stat((a.run_directory() / "d/a.txt").c_str(), &about) == 0);
    CHECK((about.st_mode & 0222) == 0);
}

TEST_CASE("what does not lie in the run's directory is no artifact", "[unit][process]")
{
    const auto made = GENERATE(as<std::string>{}, "cp /etc/hostname ../x; N=../x", "N=/etc/hostname", "ln -s /etc/hostname l; N=l", "ln -s .. up; N=up/x", "mkdir d; N=d", "N=nothing",
                               "mkfifo f; N=f", "echo a >a; ln a b; N=b");
    INFO(made);
    recorded_attempt a{.handler = shell("cd $ROWLOCK_RUN_DIR; " + made + "; printf '{\"artifact\": \"%s\"}\\n' $N >&3")};
    CHECK(a.perform().status == execution_status::completed);
    CHECK(a.artifacts.empty());
    CHECK_THAT(a.system, Catch::Contains("artifact"));
}

TEST_CASE("an artifact that was recorded before with other contents fails the attempt", "[unit][process]")
{
    recorded_attempt a{.handler = shell("echo b >$ROWLOCK_RUN_DIR/a; echo '{\"artifact\": \"a\"}' >&3"), .artifact_error = error{errc::already_ended, "it was recorded with other contents"}};
    const auto o = a.perform();
    CHECK(o.status == execution_status::failed);
    CHECK(o.error_code == "STATE_CORRUPTION");
}

TEST_CASE("directories that a crash has left are removed, those in use are not", "[unit][process]")
{
    runtime::core core{0};
    const scratch_folder root;
    const auto in_use = run_on_core(core, make_attempt_directory(root.path(), execution_id::make(1, 1, 1))).value();
    const auto fresh = root.path() / ".attempts" / "fresh";
    const auto left = root.path() / ".attempts" / "left";
    fs::create_directories(left / "work" / "deep");
    fs::create_directories(fresh);
    const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours{1};
    fs::last_write_time(left, long_ago);
    fs::last_write_time(in_use.path, long_ago);
    run_on_core(core, remove_abandoned(root.path()));
    CHECK_FALSE(fs::exists(left));
    CHECK(fs::exists(fresh));
    CHECK(fs::exists(in_use.work()));
}

TEST_CASE("an execution that is claimed again finds its directory empty", "[unit][process]")
{
    runtime::core core{0};
    const scratch_folder root;
    const auto id = execution_id::make(1, 1, 1);
    {
        const auto first = run_on_core(core, make_attempt_directory(root.path(), id)).value();
        std::ofstream(first.work() / "file") << "x";
    }
    const auto second = run_on_core(core, make_attempt_directory(root.path(), id)).value();
    CHECK(fs::is_empty(second.work()));
}

TEST_CASE("removing a tree does not follow its links", "[unit][process]")
{
    runtime::core core{0};
    const scratch_folder root;
    fs::create_directories(root.path() / "kept");
    std::ofstream(root.path() / "kept" / "file") << "x";
    fs::create_directories(root.path() / "tree");
    fs::create_directory_symlink(root.path() / "kept", root.path() / "tree" / "link");
    for (int i = 0; i < 400; ++i) std::ofstream(root.path() / "tree" / std::to_string(i)) << i;
    run_on_core(core, remove_tree(root.path() / "tree"));
    CHECK_FALSE(fs::exists(root.path() / "tree"));
    CHECK(fs::exists(root.path() / "kept" / "file"));
}
