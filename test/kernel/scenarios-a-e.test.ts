/** A third of the scenarios on the real kernel. On the fake one: test/scenarios. */

import { testScenarios } from '../support/kernel-scenarios.ts';

testScenarios('0', 'e');
