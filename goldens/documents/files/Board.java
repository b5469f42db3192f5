package workshop;

import java.util.*;

/** The board by the door. 门边的白板 */
public class Board {

    /** Shelf 1. 架子 */
    public int shelf1(int a) {
        int b = a + 1;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 2. 架子 */
    public int shelf2(int a) {
        int b = a + 2;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 3. 架子 */
    public int shelf3(int a) {
        int b = a + 3;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 4. 架子 */
    public int shelf4(int a) {
        int b = a + 4;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 5. 架子 */
    public int shelf5(int a) {
        int b = a + 5;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 6. 架子 */
    public int shelf6(int a) {
        int b = a + 6;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 7. 架子 */
    public int shelf7(int a) {
        int b = a + 7;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 8. 架子 */
    public int shelf8(int a) {
        int b = a + 8;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 9. 架子 */
    public int shelf9(int a) {
        int b = a + 9;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 10. 架子 */
    public int shelf10(int a) {
        int b = a + 10;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 11. 架子 */
    public int shelf11(int a) {
        int b = a + 11;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 12. 架子 */
    public int shelf12(int a) {
        int b = a + 12;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 13. 架子 */
    public int shelf13(int a) {
        int b = a + 13;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 14. 架子 */
    public int shelf14(int a) {
        int b = a + 14;
        if (b > 3) {
            b = 3;
        }
        return b;
    }

    /** Shelf 15. 架子 */
    public int shelf15(int a) {
        int b = a + 15;
        if (b > 3) {
            b = 3;
        }
        return b;
    }
}
