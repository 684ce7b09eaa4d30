#include "runtime/limits/machine_sampler.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/program.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::runtime;
using namespace rowlock::test;

TEST_CASE("the memory of the machine is what is not available", "[unit][pressure]")
{
    CHECK(memory_percent("MemTotal:       1000 kB\nMemFree:         10 kB\nMemAvailable:    250 kB\n") == 75.0);
    CHECK(memory_percent("MemTotal: 1000 kB\nMemAvailable: 2000 kB\n") == 0.0);
    CHECK(memory_percent("MemTotal: 0 kB\nMemAvailable: 0 kB\n") == std::nullopt);
    CHECK(memory_percent("MemTotal: 1000 kB\n") == std::nullopt);
    CHECK(memory_percent("MemTotal: x kB\nMemAvailable: 1 kB") == std::nullopt);
    CHECK(memory_percent("") == std::nullopt);
}

TEST_CASE("the memory of a control group is what it uses, but for files that can be dropped", "[unit][pressure]")
{
    CHECK(group_memory_percent("1000\n", "900\n", "anon 1\ninactive_file 400\nactive_file 3\n") == 50.0);
    CHECK(group_memory_percent("1000", "900", "") == 90.0);
    CHECK(group_memory_percent("1000", "100", "inactive_file 400") == 0.0);
    CHECK(group_memory_percent("max\n", "900\n", "") == std::nullopt);
    CHECK(group_memory_percent("", "", "") == std::nullopt);
    CHECK(group_memory_percent("0", "1", "") == std::nullopt);
}

TEST_CASE("processors are as busy as the time between two looks was used", "[unit][pressure]")
{
    const auto before = machine_cpu_time("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\n");
    const auto now = machine_cpu_time("cpu  160 10 120 780 130 0 0 0 99 0\n");
    REQUIRE(before);
    REQUIRE(now);
    CHECK(before->used == 200);
    CHECK(before->offered == 1000);
    CHECK(cpu_percent(*before, *now) == 45.0);       // 90 of 200
    CHECK(cpu_percent(*now, *now) == std::nullopt);
    CHECK(cpu_percent(*now, *before) == std::nullopt);
    CHECK(machine_cpu_time("cpu 1 2 3") == std::nullopt);
    CHECK(machine_cpu_time("cpu 1 2 3 x 5") == std::nullopt);
    CHECK(machine_cpu_time("intr 5") == std::nullopt);
}

TEST_CASE("a control group has the processors of its quota", "[unit][pressure]")
{
    // One and a half of them.
    const auto before = group_cpu_time("150000 100000\n", "usage_usec 1000000\nuser_usec 5\n", 10);
    const auto now = group_cpu_time("150000 100000\n", "usage_usec 2500000\n", 12);
    REQUIRE(before);
    REQUIRE(now);
    CHECK(cpu_percent(*before, *now) == 50.0);
    CHECK(group_cpu_time("max 100000\n", "usage_usec 1\n", 1) == std::nullopt);
    CHECK(group_cpu_time("", "", 1) == std::nullopt);
    CHECK(group_cpu_time("1 0", "usage_usec 1", 1) == std::nullopt);
}

TEST_CASE("the control group of a process is that of version 2", "[unit][pressure]")
{
    CHECK(own_control_group("4:memory:/a\n0::/user.slice/x\n") == "/user.slice/x");
    CHECK(own_control_group("0::/\n") == "/");
    CHECK(own_control_group("4:memory:/a\n") == std::nullopt);
    CHECK(own_control_group("") == std::nullopt);
}

TEST_CASE("a machine is measured by the files of a control group", "[unit][pressure]")
{
    const scratch_folder folder;
    write_file(folder.path() / "memory.max", "1000\n");
    write_file(folder.path() / "memory.current", "900\n");
    write_file(folder.path() / "cpu.max", "100000 100000\n");
    write_file(folder.path() / "cpu.stat", "usage_usec 0\n");
    machine_sampler sampler(folder.path());
    auto now = sampler.measure();
    CHECK(now.memory.usage == 90.0);
    CHECK_FALSE(now.cpu.usage);                      // nothing to compare it with
    write_file(folder.path() / "memory.current", "100\n");
    now = sampler.measure();
    CHECK(now.memory.usage == 10.0);
    CHECK(now.cpu.usage == 0.0);
    // Without a limit it is the machine that counts.
    write_file(folder.path() / "memory.max", "max\n");
    now = sampler.measure();
    REQUIRE(now.memory.usage);
    CHECK(*now.memory.usage > 0);
}

TEST_CASE("a disk is measured by a folder that need not be there yet, and nobody waits for it", "[unit][pressure]")
{
    const scratch_folder folder;
    disk_probe probe({folder.path() / "not" / "there" / "yet"});
    CHECK_FALSE(probe.take().fullest.usage);
    probe.begin(0);
    probe.begin(0);                                  // there is one at most
    eventually("it has been measured", [&] { return !probe.busy(); });
    const auto now = probe.take();
    CHECK(now.path == folder.path().string());
    REQUIRE(now.fullest.usage);
    CHECK(*now.fullest.usage >= 0);
    CHECK(*now.fullest.usage <= 100);
    CHECK(now.fullest.left_mb >= 0);
    CHECK_FALSE(probe.take().fullest.usage);         // that was old news
}
