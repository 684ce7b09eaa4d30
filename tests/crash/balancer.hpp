#pragma once

#include "ops/postgres/child.hpp"
#include "tests/support/scratch_folder.hpp"

#include <map>
#include <optional>
#include <string>

namespace rowlock::test {

// HAProxy in front of servers, as in ops/examples/haproxy.cfg. A child of this process, on loopback.
class balancer {
public:
    // `servers`: ADDR:PORT of each. Returns when it listens; throws where it cannot, and says why.
    explicit balancer(const std::map<std::string, std::string>& servers);
    ~balancer();
    balancer(const balancer&) = delete;
    balancer& operator=(const balancer&) = delete;

    // ADDR:PORT for clients.
    const std::string& address() const { return address_; }
    // To how many servers does it send requests now?
    int up() const;

private:
    scratch_folder folder_;
    ops::spawner children_;
    std::string address_;
    std::optional<ops::child> haproxy_;
};

}
